//! `cargo xtask kernel`: builds a kernel and says where it is.

use anyhow::Result;
use clap::Args;

use crate::cli::KernelArgs;
use crate::exit::Status;
use crate::kernel::build::{self, KernelRequest};

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
            println!("{}", build::inputs_key(&request)?);
            return Ok(Status::Held);
        }
        let built = build::build(&request)?;
        let made = if built.from_cache { "from the cache" } else { "built" };
        println!(
            "kernel   {} ({} with {} patches, {made})",
            built.release, built.base, built.patches_applied
        );
        println!("series   {}", built.series);
        println!("key      {}", built.key);
        println!("vmlinux  {}", built.vmlinux.display());
        if let Some(module) = &built.test_bpf {
            println!("module   {}", module.display());
        }
        println!("config   {}", built.config.display());
        println!("log      {}", built.log.display());
        Ok(Status::Held)
    }
}
