//! From the start of `/init` to the open port: only what cannot be done later.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::thread::{sleep, yield_now};
use std::time::{Duration, Instant};

use bpf_wire::{GuestInfo, PROTOCOL_VERSION};
use nix::sys::utsname::uname;
use nix::time::{ClockId, clock_gettime};

use crate::kernel::mounts;

/// Name that the host gives to the port (`-device virtserialport,name=…`).
const PORT_NAME: &str = "bpf-indirect";

/// Path of the port if it is the machine's only one: port 1 of device 0.
const FIRST_PORT: &str = "/dev/vport0p1";

/// How long the port may take to appear. A message to the driver announces it, so it does not exist
/// yet when `/init` starts; in practice it takes a few milliseconds.
const PORT_DEADLINE: Duration = Duration::from_secs(10);

/// The result of [`start`].
pub(crate) struct Started {
    /// The port, open for reading and writing.
    pub(crate) port: File,
    /// The contents of `Response::Ready`.
    pub(crate) guest: GuestInfo,
}

/// Mounts `/dev`, opens the port and reads the clock.
pub(crate) fn start() -> Result<Started, String> {
    mounts::dev()?;
    let port = open_port()?;
    let system = uname().map_err(|e| format!("failed to ask for the kernel's release: {e}"))?;
    let uptime = clock_gettime(ClockId::CLOCK_BOOTTIME)
        .map_err(|e| format!("failed to read the boot clock: {e}"))?;
    let guest = GuestInfo {
        protocol: PROTOCOL_VERSION,
        kernel_release: system.release().to_string_lossy().into_owned(),
        kernel_version: system.version().to_string_lossy().into_owned(),
        uptime_ns: u64::try_from(Duration::from(uptime).as_nanos()).unwrap_or(u64::MAX),
    };
    Ok(Started { port, guest })
}

fn open_port() -> Result<File, String> {
    let started = Instant::now();
    let mut attempts = 0_u32;
    loop {
        match open(FIRST_PORT) {
            Ok(port) => return Ok(port),
            Err(e) if e.kind() != ErrorKind::NotFound => {
                return Err(format!("failed to open {FIRST_PORT}: {e}"));
            }
            Err(_) => {}
        }
        attempts += 1;
        // Yielding lets the driver's worker run immediately; sleeping costs whole ticks.
        if attempts < 200 {
            yield_now();
            continue;
        }
        if let Some(path) = find_by_name()? {
            return open(&path).map_err(|e| format!("failed to open {path}: {e}"));
        }
        if started.elapsed() > PORT_DEADLINE {
            return Err(format!(
                "no virtio-serial port named {PORT_NAME} appeared within {} s; \
                 start QEMU with -device virtserialport,name={PORT_NAME}",
                PORT_DEADLINE.as_secs()
            ));
        }
        sleep(Duration::from_millis(10));
    }
}

fn open(path: &str) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).open(path)
}

/// Finds a port by name in sysfs, if there are other ports or devices.
fn find_by_name() -> Result<Option<String>, String> {
    mounts::sys()?;
    let Ok(ports) = fs::read_dir("/sys/class/virtio-ports") else {
        return Ok(None);
    };
    for port in ports.flatten() {
        let name = fs::read_to_string(port.path().join("name")).unwrap_or_default();
        if name.trim_end() == PORT_NAME {
            return Ok(Some(format!("/dev/{}", port.file_name().to_string_lossy())));
        }
    }
    Ok(None)
}
