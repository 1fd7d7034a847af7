//! The main loop: one request, one response, until the host powers the machine off or disconnects.

use bpf_wire::{Request, Response};
use nix::sys::resource::{Resource, setrlimit};

use crate::batch;
use crate::channel::{Receiver, Sender};
use crate::file;
use crate::kernel::{Kernel, printer};
use crate::module::{self, Module};
use crate::resources;
use crate::start::Started;

/// Limit for open descriptors. The kernel's default of 1024 is too low for large batches.
const MAX_OPEN_FILES: u64 = 65_536;

/// Sends [`Response::Ready`], then serves requests.
///
/// Returns when the machine is to be powered off. Only a broken port is an error; an invalid
/// request is answered with [`Response::Trouble`].
pub(crate) fn serve(started: Started) -> Result<(), String> {
    let reading = started
        .port
        .try_clone()
        .map_err(|e| format!("failed to duplicate the port's descriptor: {e}"))?;
    let sender = Sender::new(started.port);
    sender.send(&Response::Ready(started.guest))?;
    sender.start_heartbeat()?;
    // RLIMIT_MEMLOCK is left alone: since 5.11 maps and programs are not charged to it, and JITed
    // images only without CAP_BPF (kernel/bpf/core.c: bpf_jit_charge_modmem()).
    setrlimit(Resource::RLIMIT_NOFILE, MAX_OPEN_FILES, MAX_OPEN_FILES)
        .map_err(|e| format!("failed to raise RLIMIT_NOFILE to {MAX_OPEN_FILES}: {e}"))?;

    printer::hurry()?;

    let mut kernel = Kernel::default();
    let mut receiver = Receiver::new(reading);
    loop {
        let request = match receiver.receive() {
            Ok(Some(request)) => request,
            Ok(None) => return Ok(()),
            Err(error) => {
                sender.send(&Response::Trouble(error.clone()))?;
                return Err(error);
            }
        };
        let response = match request {
            Request::Batch(batch) => {
                batch::execute(&mut kernel, &sender, batch).map(Response::Batch)
            }
            Request::LoadModule { name, image, params, mode, without_caps } => {
                let module = Module { image: &image, params: &params, without_caps: &without_caps };
                module::load(&mut kernel, &sender, &name, &module, mode)
                    .map(|errno| Response::Module { errno })
            }
            Request::ReadFile { path } => file::read(&path).map(Response::File),
            Request::Loop { mode, batches } => {
                batch::repeat_bare(&mut kernel, &sender, mode, batches).map(|()| Response::Looped)
            }
            Request::Resources => resources::count(&mut kernel).map(Response::Resources),
            Request::PowerOff => return Ok(()),
        };
        sender.send(&response.unwrap_or_else(Response::Trouble))?;
    }
}
