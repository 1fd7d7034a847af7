//! The executor that is a real guest: started when needed, restarted after it died.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use bpf_wire::{Batch, GuestInfo, Mode, Request, Response, Step};

use super::session::{Answer, Executor};
use crate::exit::Stop;
use crate::paths;
use crate::vm::{FailureKind, GuestFailure};
use crate::vm::{Machine, MachineConfig};

/// Longest time that one batch may take. The heartbeat notices a guest that is dead much sooner;
/// this is for one that lives while its program never ends.
const BATCH_DEADLINE: Duration = Duration::from_secs(60);

/// Guests, one after the other.
#[derive(Debug)]
pub(crate) struct Guest {
    config: MachineConfig,
    machine: Option<Machine>,
    /// How many were started.
    started: usize,
    info: Option<GuestInfo>,
}

impl Guest {
    /// Nothing is started before the first batch. The console of the first guest goes to the file
    /// that the configuration names, those of later ones to the same name with a number.
    pub(crate) fn new(config: MachineConfig) -> Self {
        Self { config, machine: None, started: 0, info: None }
    }

    /// What the agent said of the kernel, once a guest was started.
    pub(crate) fn info(&self) -> Option<&GuestInfo> {
        self.info.as_ref()
    }

    /// Ends the guest, in order if it can.
    ///
    /// # Errors
    ///
    /// When a splat came in the very end or the guest does not power off.
    pub(crate) fn end(mut self) -> Result<()> {
        let Some(machine) = self.machine.take() else { return Ok(()) };
        let splats = machine.power_off().map_err(GuestFailure::into_error)?;
        match splats.first() {
            None => Ok(()),
            Some(splat) => Err(Stop::CaseFailed(format!(
                "the guest's console shows a splat after the last case: {}",
                splat.title
            ))
            .into()),
        }
    }

    fn machine(&mut self) -> Result<&mut Machine> {
        if self.machine.is_none() {
            let mut config = self.config.clone();
            if self.started > 0 {
                config.console_log = numbered(&config.console_log, self.started);
            }
            let machine = Machine::start(&config).map_err(|failure| failure.into_error())?;
            self.started += 1;
            self.info = Some(machine.guest().clone());
            self.machine = Some(machine);
        }
        match self.machine.as_mut() {
            Some(machine) => Ok(machine),
            None => bail!("the guest that was just started is gone"),
        }
    }
}

/// The folder that takes the guests' consoles. Those of the session before are removed, so that a
/// name always belongs to this one.
pub(crate) fn consoles() -> Result<PathBuf> {
    let dir = paths::repository().join("target").join("consoles");
    let failed = || format!("failed to make room for consoles in {}", dir.display());
    match std::fs::remove_dir_all(&dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(error).with_context(failed);
        }
        _ => {}
    }
    std::fs::create_dir_all(&dir).with_context(failed)?;
    Ok(dir)
}

/// `console.log` becomes `console.2.log`.
fn numbered(path: &std::path::Path, started: usize) -> PathBuf {
    path.with_extension(format!("{}.log", started + 1))
}

impl Executor for Guest {
    fn execute(&mut self, name: &str, mode: Mode, steps: Vec<Step>) -> Result<Answer> {
        let request = Request::Batch(Batch { name: name.to_owned(), mode, steps });
        let machine = self.machine()?;
        match machine.request(&request, BATCH_DEADLINE) {
            Ok(Response::Batch(report)) => {
                let splats = machine.take_splats();
                if !splats.is_empty() {
                    // What ran before may have damaged the kernel: the next case gets a fresh one.
                    self.machine = None;
                }
                let splats = splats.into_iter().map(|splat| splat.title).collect();
                Ok(Answer::Report { report, splats })
            }
            Ok(Response::Trouble(text)) => bail!("the agent is in trouble with {name}: {text}"),
            Ok(other) => bail!("the agent answered {name} with {other:?}"),
            Err(failure) if failure.kind == FailureKind::Interrupted => {
                Err(Stop::Interrupted.into())
            }
            Err(failure) => {
                self.machine = None;
                Ok(Answer::Dead(Box::new(failure)))
            }
        }
    }
}
