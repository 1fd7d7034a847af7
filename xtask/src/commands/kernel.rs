//! `cargo xtask kernel`: builds a kernel and says where it is.

use anyhow::Result;
use clap::Args;

use crate::cli::KernelArgs;
use harness_host::exit::Status;
use harness_host::ui::outln;
use harness_kernel::build::{self, KernelRequest};

/// Options of `kernel`.
#[derive(Debug, Args)]
pub(crate) struct Kernel {
    /// Only print a key for a cache of builds: a digest over base, patches, configs and tools. Takes
    /// no download and no build.
    #[arg(long)]
    print_key: bool,
    #[command(flatten)]
    kernel: KernelArgs,
}

impl Kernel {
    /// Runs the command.
    pub(crate) fn run(self) -> Result<Status> {
        let request = KernelRequest::from(&self.kernel);
        if self.print_key {
            outln!("{}", build::inputs_key(&request)?);
            return Ok(Status::Passed);
        }
        let built = build::build(&request)?;
        let made = if built.from_cache { "from the cache" } else { "built" };
        outln!(
            "kernel   {} ({} with {} patches, {made})",
            built.release,
            built.base,
            built.patches_applied
        );
        outln!("series   {}", built.series);
        outln!("key      {}", built.key);
        outln!("vmlinux  {}", built.vmlinux.display());
        if let Some(module) = &built.test_bpf {
            outln!("module   {}", module.display());
        }
        outln!("config   {}", built.config.display());
        outln!("log      {}", built.log.display());
        Ok(Status::Passed)
    }
}
