//! `cargo xtask doctor`: what the host has and lacks.

use anyhow::Result;
use clap::Args;

use harness_host::exit::Status;
use harness_host::ui::outln;
use harness_host::{needs, paths};
use harness_vm::accel;

/// Options of `doctor`.
#[derive(Debug, Args)]
pub(crate) struct Doctor {}

impl Doctor {
    /// Prints one line for each thing that the job takes. [`Status::HostLacks`] when something
    /// required is missing.
    pub(crate) fn run(self) -> Result<Status> {
        let mut lacking = Vec::new();
        for need in needs::NEEDS {
            match need.find() {
                Some(path) => outln!("ok       {:<20} {}", need.name, path.display()),
                None => {
                    let word = if need.optional { "optional" } else { "missing" };
                    outln!("{word:<8} {:<20} {}", need.name, need.purpose);
                    lacking.push(need.package);
                }
            }
        }
        let required = needs::NEEDS.iter().any(|need| !need.optional && need.find().is_none());
        if needs::find_program("qemu-system-x86_64").is_some() {
            match accel::verdict()? {
                Ok(()) => outln!("ok       {:<20} a guest runs under it", "KVM"),
                Err(reason) => outln!("optional {:<20} {reason}; guests run under TCG", "KVM"),
            }
        }
        outln!("cache    {}", paths::cache()?.display());
        if lacking.is_empty() {
            return Ok(Status::Passed);
        }
        lacking.sort_unstable();
        lacking.dedup();
        outln!("install what is missing with: apt-get install -y {}", lacking.join(" "));
        outln!("or let `cargo xtask test --install-deps` do it");
        Ok(if required { Status::HostLacks } else { Status::Passed })
    }
}
