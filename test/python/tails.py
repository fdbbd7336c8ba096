# Tails of the normal, chi-squared and Kolmogorov distributions by SciPy, as JSON, for test/monitoring/statistics.test.ts.
import json

from scipy import special, stats

normal = [[z, 0, 2 * stats.norm.sf(z)] for z in [i / 7 for i in range(1, 240)]]
chi2 = [
    [x, df, stats.chi2.sf(x, df)]
    for df in [1, 2, 3, 5, 10, 31, 100, 999]
    for x in [df * f for f in (0.01, 0.3, 0.9, 1, 1.1, 1.7, 3, 9)]
]
kolmogorov = [[x, n, special.kolmogorov(x)] for n in (5, 100, 1e4) for x in [i / 20 for i in range(6, 60)]]
print(json.dumps({"normal": normal, "chi2": chi2, "kolmogorov": kolmogorov}))
