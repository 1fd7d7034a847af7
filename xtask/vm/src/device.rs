//! The machine's parts. Each states both its QEMU arguments and the kernel arguments that it
//! needs, so that the two cannot drift apart.

use std::ffi::OsString;
use std::path::PathBuf;

/// What executes the guest's instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accel {
    /// The processor.
    Kvm,
    /// QEMU's translator.
    Tcg,
}

impl Accel {
    /// Name on QEMU's command line and in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kvm => "kvm",
            Self::Tcg => "tcg",
        }
    }
}

/// A part of the machine, or a property of it.
pub trait Device {
    /// Arguments for QEMU, in order.
    fn qemu_args(&self) -> Vec<OsString>;

    /// Arguments for the kernel's command line.
    fn kernel_args(&self) -> Vec<String> {
        Vec::new()
    }
}

/// The board: QEMU's `microvm`, without firmware tables, PCI or option ROMs.
///
/// What stays, stays for a reason. The interval timer and the interrupt controller before the APIC:
/// under TCG the kernel has nothing else to calibrate the TSC against, and hangs forever without
/// them. The clock: without it the kernel spins for a whole second, waiting for its update to end
/// (`drivers/rtc/rtc-mc146818-lib.c`, `mc146818_avoid_UIP()`).
#[derive(Debug)]
pub struct Board;

impl Device for Board {
    fn qemu_args(&self) -> Vec<OsString> {
        args([
            "-M",
            "microvm,x-option-roms=off,acpi=off,rtc=on,pic=on,pit=on,isa-serial=on,\
             auto-kernel-cmdline=on",
            "-nodefaults",
            "-no-user-config",
            "-display",
            "none",
        ])
    }

    fn kernel_args(&self) -> Vec<String> {
        // Nothing to fetch a seed from: without trust in RDRAND the first random bytes have to wait.
        vec!["random.trust_cpu=on".into()]
    }
}

/// The processor and what executes it.
#[derive(Debug)]
pub struct Processor {
    /// KVM or TCG.
    pub accel: Accel,
    /// Further properties under TCG, as `-cpu` takes them; or empty.
    pub tcg_cpu: String,
}

impl Device for Processor {
    fn qemu_args(&self) -> Vec<OsString> {
        match self.accel {
            Accel::Kvm => args(["-accel", "kvm", "-cpu", "host", "-smp", "1"]),
            // All that TCG can do, for the JIT emits other code where it finds BMI2. Five levels of
            // page tables are left out: they only make every emulated TLB miss longer.
            Accel::Tcg => {
                let comma = if self.tcg_cpu.is_empty() { "" } else { "," };
                let cpu = format!("max,-la57{comma}{}", self.tcg_cpu);
                args(["-accel", "tcg", "-cpu", &cpu, "-smp", "1"])
            }
        }
    }

    fn kernel_args(&self) -> Vec<String> {
        match self.accel {
            Accel::Kvm => Vec::new(),
            // A busy host delays emulated timers. The kernel's check of the first one would end in a
            // panic; calibrating the APIC's against it takes 0.2 s, to the same end: the interval
            // timer ticks. And a TSC that does not keep step is still better than jiffies.
            Accel::Tcg => {
                ["no_timer_check", "nolapic_timer", "tsc=reliable"].map(str::to_owned).to_vec()
            }
        }
    }
}

/// Main memory.
#[derive(Debug)]
pub struct Memory {
    /// Size in MiB.
    pub mib: u32,
}

impl Device for Memory {
    fn qemu_args(&self) -> Vec<OsString> {
        args(["-m", &format!("{}M", self.mib)])
    }
}

/// The first serial port, written to a file: the kernel's console.
#[derive(Debug)]
pub struct SerialConsole {
    /// The file; emptied first.
    pub log: PathBuf,
}

impl Device for SerialConsole {
    fn qemu_args(&self) -> Vec<OsString> {
        let mut backend = OsString::from("file,id=console,path=");
        backend.push(escaped(&self.log));
        vec!["-chardev".into(), backend, "-serial".into(), "chardev:console".into()]
    }

    fn kernel_args(&self) -> Vec<String> {
        // 5 keeps warnings: a WARN's first line is one (kernel/panic.c, __warn()).
        vec!["console=ttyS0".into(), "loglevel=5".into()]
    }
}

/// The first serial port on the terminal: the kernel's console, and somebody who types.
#[derive(Debug)]
pub struct Terminal;

impl Device for Terminal {
    fn qemu_args(&self) -> Vec<OsString> {
        // Ctrl-C is the guest's; Ctrl-A X ends the machine.
        args([
            "-chardev",
            "stdio,id=console,mux=on,signal=off",
            "-serial",
            "chardev:console",
            "-mon",
            "chardev=console,mode=readline",
        ])
    }

    fn kernel_args(&self) -> Vec<String> {
        vec!["console=ttyS0".into(), "loglevel=5".into()]
    }
}

/// Two virtio-serial ports: what a command writes, connected to a socket on which we listen, and its
/// status, written to a file.
#[derive(Debug)]
pub struct CommandPorts {
    /// Path of the Unix socket, at most 107 bytes.
    pub output: PathBuf,
    /// The file.
    pub status: PathBuf,
}

impl Device for CommandPorts {
    fn qemu_args(&self) -> Vec<OsString> {
        let mut output = OsString::from("socket,id=output,path=");
        output.push(escaped(&self.output));
        let mut status = OsString::from("file,id=status,path=");
        status.push(escaped(&self.status));
        let mut list = vec!["-chardev".into(), output, "-chardev".into(), status];
        // Number 0 is reserved for a console. images/shell/rc knows the others by their numbers.
        list.extend(args([
            "-device",
            "virtio-serial-device,max_ports=3",
            "-device",
            "virtserialport,nr=1,chardev=output,name=bpf-indirect.output",
            "-device",
            "virtserialport,nr=2,chardev=status,name=bpf-indirect.status",
        ]));
        list
    }
}

/// The virtio-serial port that carries the records, connected to a socket on which we listen.
#[derive(Debug)]
pub struct AgentPort {
    /// Path of the Unix socket, at most 107 bytes.
    pub socket: PathBuf,
}

impl AgentPort {
    /// Name by which the guest finds the port in `/sys/class/virtio-ports`.
    pub const NAME: &str = "bpf-indirect";
}

impl Device for AgentPort {
    fn qemu_args(&self) -> Vec<OsString> {
        let mut backend = OsString::from("socket,id=agent,path=");
        backend.push(escaped(&self.socket));
        vec![
            "-chardev".into(),
            backend,
            "-device".into(),
            // Two ports: number 0 is reserved for a console.
            "virtio-serial-device,max_ports=2".into(),
            "-device".into(),
            format!("virtserialport,chardev=agent,name={}", Self::NAME).into(),
        ]
    }
}

/// QEMU's monitor on its standard input, for the one thing that is asked of it: a non-maskable
/// interrupt, which stops the kernel and makes it show where it was.
///
/// A kernel of this board takes it for an error of the PCI bus (`arch/x86/kernel/nmi.c`,
/// `default_do_nmi()`): port 0x61 is not there and reads 0xff.
#[derive(Debug)]
pub struct Monitor;

impl Monitor {
    /// How the panic starts that the interrupt ends in.
    pub(super) const STOPPED: &str = "Kernel panic - not syncing: NMI: Not continuing";
}

impl Device for Monitor {
    fn qemu_args(&self) -> Vec<OsString> {
        args(["-chardev", "stdio,id=monitor,signal=off", "-mon", "chardev=monitor,mode=readline"])
    }

    fn kernel_args(&self) -> Vec<String> {
        vec!["sysctl.kernel.panic_on_unrecovered_nmi=1".into()]
    }
}

/// What a reset means: the end of the machine. So a panic ends QEMU rather than the wait for it.
#[derive(Debug)]
pub struct ResetEnds;

impl Device for ResetEnds {
    fn qemu_args(&self) -> Vec<OsString> {
        args(["-no-reboot"])
    }

    fn kernel_args(&self) -> Vec<String> {
        // reboot=t: a triple fault, the one way that needs no keyboard controller and no ACPI.
        vec!["panic=-1".into(), "oops=panic".into(), "reboot=t".into()]
    }
}

/// A stub for gdb on a Unix socket, and a machine that does nothing before gdb lets it.
#[derive(Debug)]
pub struct GdbStub {
    /// Path of the socket, at most 107 bytes, on which QEMU listens.
    pub socket: PathBuf,
}

impl Device for GdbStub {
    fn qemu_args(&self) -> Vec<OsString> {
        let mut backend = OsString::from("socket,id=gdb,server=on,wait=off,path=");
        backend.push(escaped(&self.socket));
        vec!["-S".into(), "-chardev".into(), backend, "-gdb".into(), "chardev:gdb".into()]
    }

    fn kernel_args(&self) -> Vec<String> {
        // Addresses are those of the vmlinux that gdb reads.
        vec!["nokaslr".into()]
    }
}

/// The kernel and its initramfs, entered through PVH.
#[derive(Debug)]
pub struct Boot {
    /// Uncompressed ELF `vmlinux` with a PVH note.
    pub kernel: PathBuf,
    /// Uncompressed cpio.
    pub initramfs: PathBuf,
}

impl Device for Boot {
    fn qemu_args(&self) -> Vec<OsString> {
        vec![
            "-kernel".into(),
            self.kernel.clone().into(),
            "-initrd".into(),
            self.initramfs.clone().into(),
        ]
    }
}

fn args<const N: usize>(list: [&str; N]) -> Vec<OsString> {
    list.into_iter().map(OsString::from).collect()
}

/// A path for use inside one of QEMU's option lists, where a comma is written twice.
fn escaped(path: &std::path::Path) -> OsString {
    use std::os::unix::ffi::{OsStrExt, OsStringExt};
    let mut bytes = Vec::new();
    for &byte in path.as_os_str().as_bytes() {
        bytes.push(byte);
        if byte == b',' {
            bytes.push(byte);
        }
    }
    OsString::from_vec(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(device: &dyn Device) -> String {
        let list: Vec<_> =
            device.qemu_args().iter().map(|arg| arg.to_string_lossy().into_owned()).collect();
        list.join(" ")
    }

    #[test]
    fn a_configs_processor_is_the_usual_one_with_more() {
        let cpu = |tcg_cpu: &str| shown(&Processor { accel: Accel::Tcg, tcg_cpu: tcg_cpu.into() });
        assert!(cpu("").contains("-cpu max,-la57 "), "{}", cpu(""));
        assert!(cpu("vendor=X").contains("-cpu max,-la57,vendor=X "), "{}", cpu("vendor=X"));
    }

    #[test]
    fn commas_in_paths_survive_qemus_option_parser() {
        let port = AgentPort { socket: "/tmp/a,b/s".into() };
        assert!(shown(&port).contains("path=/tmp/a,,b/s "), "{}", shown(&port));
    }

    #[test]
    fn a_commands_output_and_status_have_ports_of_their_own() {
        let ports = shown(&CommandPorts { output: "/tmp/o".into(), status: "/tmp/s".into() });
        for (number, name, backend) in
            [(1, "output", "socket,id=output"), (2, "status", "file,id=status")]
        {
            assert!(ports.contains(&format!("nr={number},chardev={name},")), "{ports}");
            assert!(
                ports.contains(&format!("-chardev {backend},path=/tmp/{}", &name[..1])),
                "{ports}"
            );
        }
    }

    #[test]
    fn a_machine_with_a_stub_waits_for_gdb() {
        let stub = GdbStub { socket: "/tmp/a,b/gdb".into() };
        assert_eq!(
            shown(&stub),
            "-S -chardev socket,id=gdb,server=on,wait=off,path=/tmp/a,,b/gdb -gdb chardev:gdb"
        );
    }
}
