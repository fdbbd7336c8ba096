// Runs the kit on wasmi: cargo run --release -- core.wasm kit.txt (runtimes/kit/README.md; the interface: assembly/README.md).
use std::{env, error::Error, fs, process, time::Instant};
use wasmi::{Engine, ExternType, Instance, Linker, Memory, Module, Store, Val, ValType};

type Failure = Box<dyn Error>;

/// A core, and where the host's part of its memory begins.
struct Host {
    store: Store<()>,
    instance: Instance,
    memory: Memory,
    base: u32,
}

impl Host {
    fn new(module: &Module, bytes: u64) -> Result<Host, Failure> {
        let mut store = Store::new(module.engine(), ());
        let instance = Linker::new(module.engine()).instantiate_and_start(&mut store, module)?;
        let memory = instance.get_memory(&store, "memory").ok_or("the core has no memory")?;
        let mut host = Host { store, instance, memory, base: 0 };
        let abi = host.call("abi", &[])?;
        if abi != 1 {
            return Err(format!("this host knows interface 1, the core has {abi}").into());
        }
        host.base = host.call("heapBase", &[])? as u32;
        let missing = (host.base as u64 + bytes).saturating_sub(memory.data_size(&host.store) as u64);
        memory.grow(&mut host.store, missing.div_ceil(65536))?;
        Ok(host)
    }

    fn call(&mut self, name: &str, args: &[Val]) -> Result<i32, Failure> {
        let function = self.instance.get_func(&self.store, name).ok_or(format!("there is no {name}"))?;
        let mut results = [Val::I32(0)];
        function.call(&mut self.store, args, &mut results)?;
        Ok(results[0].i32().unwrap_or(-1))
    }

    fn argument(&self, text: &str, kind: ValType) -> Result<Val, Failure> {
        Ok(match (text.split_at(1), kind) {
            (("@", address), _) => Val::I32((self.base + address.parse::<u32>()?) as i32),
            (("=", word), ValType::F64) => Val::F64(f64::from_bits(u64::from_str_radix(word, 16)?).into()),
            _ => Val::I32(text.parse::<u32>()? as i32),
        })
    }
}

fn run(core: &str, kit: &str, start: Instant) -> Result<i32, Failure> {
    let module = Module::new(&Engine::default(), fs::read(core)?)?;
    let kinds = |name: &str| match module.get_export(name) {
        Some(ExternType::Func(kind)) => kind.params().to_vec(),
        _ => vec![],
    };
    let text = fs::read_to_string(kit)?;
    let (mut host, mut name, mut first, mut code) = (None::<Host>, "", true, 0);
    for line in text.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        if words[0] == "case" {
            name = words[1];
            host = Some(Host::new(&module, words[2].parse()?)?);
        }
        let Some(host) = host.as_mut() else { continue };
        match words[0] {
            "put" | "raw" => {
                let at = host.base as usize + words[2].parse::<usize>()?;
                for (k, word) in words[3..].iter().enumerate() {
                    let bits = u64::from_str_radix(word, 16)?;
                    if words[0] == "put" && !f64::from_bits(bits).is_finite() {
                        return Err(format!("{name} {}: a value is not finite", words[1]).into());
                    }
                    host.memory.write(&mut host.store, at + 8 * k, &bits.to_le_bytes())?;
                }
            }
            "call" => {
                let args = words[2..].iter().zip(kinds(words[1])).map(|(word, kind)| host.argument(word, kind));
                let args = args.collect::<Result<Vec<_>, _>>()?;
                match host.call(words[1], &args)? {
                    0 => (),
                    status => return Err(format!("{name} {}: status {status}", words[1]).into()),
                }
            }
            "expect" => {
                if first {
                    println!("first {:.1}", start.elapsed().as_secs_f64() * 1000.0);
                    first = false;
                }
                let at = host.base as usize + words[2].parse::<usize>()?;
                let mut verdict = format!("equal {name} {}", words[1]);
                for (k, word) in words[3..].iter().enumerate() {
                    let mut bytes = [0; 8];
                    host.memory.read(&host.store, at + 8 * k, &mut bytes)?;
                    let got = format!("{:016x}", u64::from_le_bytes(bytes));
                    if got != *word {
                        verdict = format!("different {name} {} {k} {got} {word}", words[1]);
                        code = 1;
                        break;
                    }
                }
                println!("{verdict}");
            }
            _ => (),
        }
    }
    Ok(code)
}

fn main() {
    let (start, args) = (Instant::now(), env::args().collect::<Vec<_>>());
    process::exit(run(&args[1], &args[2], start).unwrap_or_else(|error| {
        eprintln!("error: {error}");
        2
    }));
}
