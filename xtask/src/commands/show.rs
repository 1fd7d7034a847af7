//! `cargo xtask show`: a case's source, what is loaded, and what the kernel makes of it, side by side.

use std::io::{IsTerminal, stdout};

use anyhow::{Context, Result};
use bpf_wire::Mode;
use clap::Args;

use crate::cli::{self, GuestArgs};
use harness_host::exit::{Status, Stop};
use harness_host::ui::{self, out, outln};
use harness_inspect::columns::{self, Style};
use harness_inspect::image;
use harness_inspect::listing::{self, Listing};
use harness_inspect::symbols::Symbols;
use harness_session::start::{Started, start};
use harness_suites::select;

/// Options of `show`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cargo xtask show callx/one_callee                       what the verifier and the JIT make of a case
  cargo xtask show gotox/two_targets --mode jit-hardened  with blinded constants
  cargo xtask show callx/one_callee --no-guest            its source and what is loaded, at once
  cargo xtask show callx/one_callee --json                the same for programs

The columns are the case's source, the instructions that are loaded, those that the verifier made of
them (xlated), and the JIT's machine code. Each instruction stands beside what became of it: the
program is loaded once more with line information, a line for each instruction, which the kernel
carries through every rewrite. Where that cannot be, the columns are not aligned, and a note says why.

Of a case that the kernel rejects, the verifier's log is shown instead.

Exit status: 0 it is shown, 1 the guest did not survive it, 2 wrong usage, 69 the host lacks something,
70 the harness itself failed.")]
pub(crate) struct Show {
    /// The name of a case, or a regular expression that one name alone matches.
    #[arg(value_name = "CASE")]
    case: String,
    /// How it is executed, jit without; may be repeated.
    #[arg(long, value_parser = cli::mode(), conflicts_with = "no_guest")]
    mode: Vec<Mode>,
    /// Only what is known without a kernel: source and what is loaded.
    #[arg(long)]
    no_guest: bool,
    /// Print JSON: an array with an object for each mode.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    on: GuestArgs,
}

impl Show {
    /// Runs the command.
    pub(crate) fn run(self) -> Result<Status> {
        let case = select::one(crate::suites(), &self.case)?;
        let plan = case.plan().map_err(|error| {
            Stop::CaseFailed(format!("the case {} does not compile: {error}", case.name))
        })?;
        let before = listing::before_load(&case, &plan)?;
        if self.no_guest {
            return self.print(&[before]);
        }
        let Started { built, mut guest, .. } = start(&self.on.on())?;
        let symbols = Symbols::of(&built.vmlinux)?;
        let modes: Vec<Mode> = match self.mode.as_slice() {
            [] => vec![Mode::Jit],
            some => some.to_vec(),
        };
        let mut listings = Vec::new();
        for mode in modes {
            let found = image::of(&case, &plan, mode, &mut guest)?;
            listings.push(before.clone().with(&plan, mode, &found, &symbols));
        }
        guest.end()?;
        self.print(&listings)
    }

    fn print(&self, listings: &[Listing]) -> Result<Status> {
        if self.json {
            let text = serde_json::to_string_pretty(listings).context("failed to make JSON")?;
            outln!("{text}");
            return Ok(Status::Passed);
        }
        let width = stdout().is_terminal().then(|| ui::stdout_size().1.into());
        let style = Style { width, colour: ui::stdout_coloured() };
        let texts: Vec<String> =
            listings.iter().map(|listing| columns::render(listing, style)).collect();
        out!("{}", texts.join("\n"));
        Ok(Status::Passed)
    }
}
