# The peer of `bench serve`: Python's ThreadingHTTPServer, HTTP/1.1, one write an answer, the seed's formula in NumPy.
import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np

model = np.load(sys.argv[1], allow_pickle=False)
w, b, mean, std = model["w"], float(model["b"]), model["mean"], model["std"]
names = [str(name) for name in model["feature_names"]]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        x = (np.array([body[name] for name in names]) - mean) / std
        contributions = w * x
        logit = float(contributions.sum() + b)
        p = float(1 / (1 + np.exp(-np.clip(logit, -35, 35))))
        answer = {
            "pred": int(p >= 0.5),
            "p_class1": p,
            "logit": logit,
            "feature_contrib_logit": dict(zip(names, contributions.tolist())),
        }
        payload = json.dumps(answer).encode()
        head = (
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
            f"content-length: {len(payload)}\r\n\r\n"
        )
        self.wfile.write(head.encode() + payload)

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
server.daemon_threads = True
print(json.dumps({"port": server.server_address[1]}), flush=True)
server.serve_forever()
