//! Boots a kernel with the agent and talks to it by hand, to try a change of the agent alone.
//!
//! ```text
//! RUSTFLAGS="-C target-feature=+crt-static" cargo build -p bpf-agent --profile agent \
//!     --target x86_64-unknown-linux-gnu
//! cargo run -p bpf-agent --example drive -- VMLINUX target/x86_64-unknown-linux-gnu/agent/bpf-agent [WHAT]
//! ```
//!
//! `WHAT` is one of the words in [`conversation`], `all` by default. Prints what came and when.

use std::error::Error;
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};
use std::{env, fs};

use bpf_wire::{Batch, Decoder, Fault, Mode, Output, ProgramLoad, Request, Response, Step, encode};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// `BPF_MAP_TYPE_INSN_ARRAY`.
const INSN_ARRAY: u32 = 34;

/// What `MACHINE` in the environment replaces. With ACPI on, QEMU would not tell the kernel where
/// the virtio devices are; without the PIT, the kernel finds no timer under TCG.
const MACHINE: &str = "microvm,acpi=off,pic=on,pit=on,rtc=off,isa-serial=on,auto-kernel-cmdline=on";

/// What `APPEND` in the environment replaces.
const APPEND: &str = "console=ttyS0 panic=-1 reboot=t";

fn main() -> Outcome<()> {
    let mut args = env::args().skip(1);
    let (Some(kernel), Some(agent)) = (args.next(), args.next()) else {
        return Err("usage: drive VMLINUX AGENT [WHAT]".into());
    };
    let what = args.next().unwrap_or_else(|| "all".to_owned());
    let dir = env::temp_dir().join(format!("bpf-agent-drive-{}", std::process::id()));
    fs::create_dir(&dir)?;
    let result = boot(&dir, &kernel, &agent, &what);
    let console = fs::read(dir.join("console")).unwrap_or_default();
    println!("--- console\n{}", String::from_utf8_lossy(&console));
    fs::remove_dir_all(&dir)?;
    result
}

fn boot(dir: &Path, kernel: &str, agent: &str, what: &str) -> Outcome<()> {
    let initrd = dir.join("initrd");
    fs::write(&initrd, archive(&fs::read(agent)?))?;
    let socket = dir.join("port");
    let listener = UnixListener::bind(&socket)?;
    let started = Instant::now();
    let mut qemu = Command::new("qemu-system-x86_64")
        .args(["-M", &env::var("MACHINE").unwrap_or(MACHINE.to_owned())])
        .args(["-accel", "tcg", "-cpu", "max", "-m", "256"])
        .args(["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"])
        .args(["-kernel", kernel])
        .arg("-initrd")
        .arg(&initrd)
        .args(["-append", &env::var("APPEND").unwrap_or(APPEND.to_owned())])
        .arg("-serial")
        .arg(format!("file:{}", dir.join("console").display()))
        .arg("-chardev")
        .arg(format!("socket,id=port,path={}", socket.display()))
        .args(["-device", "virtio-serial-device"])
        .args(["-device", "virtserialport,chardev=port,name=bpf-indirect"])
        .spawn()?;
    let result = listener
        .accept()
        .map_err(Into::into)
        .and_then(|(stream, _)| conversation(Host::new(stream, started)?, what));
    wait(&mut qemu, started)?;
    result
}

fn wait(qemu: &mut Child, started: Instant) -> Outcome<()> {
    for _ in 0..300 {
        if let Some(status) = qemu.try_wait()? {
            println!("{:>8.1?} QEMU ended: {status}", started.elapsed());
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    println!("{:>8.1?} QEMU is still there, killed", started.elapsed());
    qemu.kill()?;
    qemu.wait()?;
    Ok(())
}

struct Host {
    stream: UnixStream,
    decoder: Decoder<Response>,
    seq: u32,
    started: Instant,
}

impl Host {
    fn new(stream: UnixStream, started: Instant) -> Outcome<Self> {
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        Ok(Self { stream, decoder: Decoder::new(), seq: 0, started })
    }

    fn send(&mut self, request: &Request) -> Outcome<()> {
        self.stream.write_all(&encode(self.seq, request)?)?;
        self.seq += 1;
        Ok(())
    }

    fn receive(&mut self) -> Outcome<Response> {
        let mut chunk = vec![0; 64 << 10];
        loop {
            if let Some(record) = self.decoder.pop()? {
                println!("{:>8.1?} record {}", self.started.elapsed(), record.seq);
                return Ok(record.body);
            }
            let read = self.stream.read(&mut chunk)?;
            if read == 0 {
                return Err("the port was closed".into());
            }
            self.decoder.push(&chunk[..read]);
        }
    }

    fn ask(&mut self, request: &Request) -> Outcome<Response> {
        self.send(request)?;
        loop {
            match self.receive()? {
                Response::Heartbeat => {}
                response => return Ok(response),
            }
        }
    }

    fn batch(&mut self, name: &str, mode: Mode, steps: Vec<Step>) -> Outcome<()> {
        let response = self.ask(&Request::Batch(Batch { name: name.to_owned(), mode, steps }))?;
        println!("    {name} {}: {response:?}", mode.name());
        Ok(())
    }
}

fn conversation(mut host: Host, what: &str) -> Outcome<()> {
    println!("    {:?}", host.receive()?);
    let fault = match what {
        "all" => return all(host),
        "module" => return module(host),
        "ready" => return host.send(&Request::PowerOff),
        "exit" => Fault::AgentExits,
        "kill" => Fault::AgentKilled,
        "stop" => Fault::AgentStopped,
        "trouble" => Fault::Trouble,
        "garbage" => Fault::Garbage,
        "truncated" => Fault::Truncated,
        "memory" => Fault::OutOfMemory,
        // A crash type of the kernel's lkdtm.
        _ if what.chars().all(|letter| letter.is_ascii_uppercase() || letter == '_') => {
            Fault::Lkdtm(what.to_owned())
        }
        _ => return Err(format!("{what} is none of the things to try").into()),
    };
    let steps = vec![Step::Fault(fault)];
    host.send(&Request::Batch(Batch { name: format!("fault/{what}"), mode: Mode::Jit, steps }))?;
    // An answer and a few heartbeats come from an agent that goes on, an error from one that does not.
    for _ in 0..3 {
        println!("    {:?}", host.receive()?);
    }
    host.send(&Request::PowerOff)
}

/// Loads the module in the file that `MODULE` names, with the parameters in `PARAMS`.
fn module(mut host: Host) -> Outcome<()> {
    let image = fs::read(env::var("MODULE")?)?;
    let params = env::var("PARAMS").unwrap_or_default();
    for mode in Mode::ALL {
        let mut response = host.ask(&Request::LoadModule {
            name: "module".to_owned(),
            image: image.clone(),
            params: params.clone(),
            mode,
            without_caps: Vec::new(),
        })?;
        while let Response::Log(text) = response {
            print!("{text}");
            response = host.receive()?;
        }
        println!("    {}: {response:?}", mode.name());
    }
    host.send(&Request::PowerOff)
}

fn all(mut host: Host) -> Outcome<()> {
    for mode in Mode::ALL {
        let steps = vec![program(&[mov(0, 7), EXIT], |_| ()), run(0, &[])];
        host.batch("seven", mode, steps)?;
    }
    host.batch("rejected", Mode::Jit, vec![program(&[mov(3, 7), EXIT], |_| ())])?;
    let dump = |load: &mut ProgramLoad| (load.dump, load.log_level) = (true, 2);
    host.batch("dump", Mode::JitHardened, vec![program(&[mov(0, 0x1234_5678), EXIT], dump)])?;

    let value = |byte| vec![byte; 8];
    let update = |key: u32, byte| Step::UpdateElem {
        map: 0,
        key: key.to_le_bytes().to_vec(),
        value: value(byte),
        flags: 0,
    };
    let maps = vec![map(2, 8, 3), update(1, 9), Step::Freeze { map: 0 }, Step::DumpMap { map: 0 }];
    host.batch("maps", Mode::Interp, maps)?;
    host.batch("frozen", Mode::Interp, vec![map(2, 8, 3), Step::Freeze { map: 0 }, update(1, 9)])?;

    for mode in Mode::ALL {
        host.batch("gotox", mode, gotox(|_| ()))?;
    }
    let unprivileged = |load: &mut ProgramLoad| load.without_caps = vec![12, 21, 38, 39];
    host.batch("gotox_without_caps", Mode::Jit, gotox(unprivileged))?;
    let filter = |load: &mut ProgramLoad| {
        (load.prog_type, load.without_caps) = (1, vec![12, 21, 38, 39]);
    };
    host.batch("filter_without_caps", Mode::Jit, vec![program(&[mov(0, 7), EXIT], filter)])?;
    host.batch("no_such_program", Mode::Jit, vec![run(3, &[])])?;
    host.batch(
        "short_key",
        Mode::Jit,
        vec![map(2, 8, 3), Step::LookupElem { map: 0, key: vec![1] }],
    )?;

    let large = Step::UpdateElem { map: 0, key: vec![0; 4], value: vec![5; 2 << 20], flags: 0 };
    host.send(&Request::Batch(Batch {
        name: "large".to_owned(),
        mode: Mode::Jit,
        steps: vec![map(2, 2 << 20, 1), large, Step::DumpMap { map: 0 }],
    }))?;
    if let Response::Batch(report) = host.receive()?
        && let Some(Ok(Output::Elements(elements))) = report.steps.last()
    {
        println!("    large: {} bytes back", elements[0].1.len());
    }
    host.batch("after", Mode::Interp, vec![program(&[mov(0, 7), EXIT], |_| ()), run(0, &[])])?;
    println!("    idle: {:?}", host.receive()?);
    host.send(&Request::PowerOff)
}

const EXIT: [u8; 8] = [0x95, 0, 0, 0, 0, 0, 0, 0];

fn insn(code: u8, regs: u8, off: i16, imm: i32) -> [u8; 8] {
    let ([o0, o1], [i0, i1, i2, i3]) = (off.to_le_bytes(), imm.to_le_bytes());
    [code, regs, o0, o1, i0, i1, i2, i3]
}

fn mov(dst: u8, imm: i32) -> [u8; 8] {
    insn(0xb7, dst, 0, imm)
}

fn program(insns: &[[u8; 8]], change: impl FnOnce(&mut ProgramLoad)) -> Step {
    let mut load = ProgramLoad {
        name: "drive".to_owned(),
        prog_type: 31,
        expected_attach_type: 0,
        flags: 0x10,
        license: "GPL".to_owned(),
        insns: insns.as_flattened().to_vec(),
        map_refs: vec![],
        btf: None,
        func_info: vec![],
        line_info: vec![],
        log_level: 0,
        without_caps: vec![],
        dump: false,
    };
    change(&mut load);
    // BPF_F_SLEEPABLE is what syscall programs need and others must not have.
    if load.prog_type != 31 {
        load.flags = 0;
    }
    Step::LoadProgram(Box::new(load))
}

fn run(prog: u32, ctx: &[u8]) -> Step {
    Step::TestRun { prog, data: vec![], ctx: ctx.to_vec(), data_out: 0, ctx_out: true }
}

fn map(map_type: u32, value_size: u32, max_entries: u32) -> Step {
    Step::CreateMap {
        name: "drive".to_owned(),
        map_type,
        key_size: 4,
        value_size,
        max_entries,
        flags: 0,
        btf: None,
    }
}

/// Jumps to one of two places by the first word of the context, and writes to the second.
fn gotox(change: impl FnOnce(&mut ProgramLoad)) -> Vec<Step> {
    let insns = [
        insn(0x61, 0x12, 0, 0),  //  0: w2 = *(u32 *)(r1 + 0)
        insn(0x57, 0x02, 0, 1),  //  1: r2 &= 1
        insn(0x67, 0x02, 0, 3),  //  2: r2 <<= 3
        insn(0x18, 0x23, 0, 0),  //  3: r3 = table, BPF_PSEUDO_MAP_VALUE
        insn(0, 0, 0, 0),        //
        insn(0x0f, 0x23, 0, 0),  //  5: r3 += r2
        insn(0x79, 0x33, 0, 0),  //  6: r3 = *(u64 *)(r3 + 0)
        insn(0x0d, 0x03, 0, 0),  //  7: gotox r3
        mov(0, 10),              //  8
        EXIT,                    //  9
        insn(0x62, 0x01, 4, 77), // 10: *(u32 *)(r1 + 4) = 77
        mov(0, 20),              // 11
        EXIT,                    // 12
    ];
    let entry = |key: u32, target: u32| {
        let mut value = vec![0; 16];
        value[..4].copy_from_slice(&target.to_le_bytes());
        Step::UpdateElem { map: 0, key: key.to_le_bytes().to_vec(), value, flags: 0 }
    };
    let load = program(&insns, |load| {
        load.map_refs = vec![(3, 0)];
        change(load);
    });
    vec![
        map(INSN_ARRAY, 16, 2),
        entry(0, 8),
        entry(1, 10),
        Step::Freeze { map: 0 },
        load,
        run(0, &[0; 8]),
        run(0, &[1, 0, 0, 0, 0, 0, 0, 0]),
    ]
}

/// An initramfs of one file, in the format that `cpio -H newc` writes.
fn archive(init: &[u8]) -> Vec<u8> {
    let mut archive = Vec::new();
    for (name, mode, content) in [("init", 0o100_755, init), ("TRAILER!!!", 0, &[][..])] {
        let fields = [0, mode, 0, 0, 1, 0, content.len(), 0, 0, 0, 0, name.len() + 1, 0];
        archive.extend(b"070701");
        for field in fields {
            archive.extend(format!("{field:08x}").bytes());
        }
        archive.extend(name.bytes());
        archive.push(0);
        archive.resize(archive.len().next_multiple_of(4), 0);
        archive.extend(content);
        archive.resize(archive.len().next_multiple_of(4), 0);
    }
    archive
}
