//! What the running kernel supports, found out by trying, in each mode.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use bpf_case::builder::accepts;
use bpf_case::{Case, Feature, Run};
use bpf_wire::{Mode, Output};

use super::lower::{Role, lower};
use harness_results::notation::errno_name;
use harness_session::Executor;

/// The last register that programs have. Above it is `BPF_REG_AX`, which only the kernel's own
/// rewrites use, constant blinding among them; its number differs between kernels
/// (include/linux/filter.h).
const LAST_REG: u8 = 10;

/// What is supported in which mode; a reason where something is not.
#[derive(Clone, Debug, Default)]
pub struct Support {
    lacking: BTreeMap<(Feature, Mode), String>,
}

impl Support {
    /// The reason why a feature cannot be used in a mode, `None` when it can.
    pub fn lacks(&self, feature: Feature, mode: Mode) -> Option<&str> {
        self.lacking.get(&(feature, mode)).map(String::as_str)
    }

    /// Probes every feature in some modes.
    ///
    /// # Errors
    ///
    /// When the guest does not survive a probe, or does not run a program in the mode asked for:
    /// then nothing that it says about cases could be believed.
    pub fn probe(
        executor: &mut dyn Executor,
        modes: &[Mode],
        features: &[Feature],
    ) -> Result<Self> {
        let mut support = Self::default();
        for mode in modes {
            if let Some(reason) = attempt(executor, *mode, &plain())? {
                bail!(
                    "the guest's kernel does not run the simplest program in {}: {reason}",
                    mode.name()
                );
            }
            for feature in features {
                if let Some(reason) = attempt(executor, *mode, &using(*feature))? {
                    support.lacking.insert((*feature, *mode), reason);
                }
            }
        }
        Ok(support)
    }
}

/// A program that every kernel runs, with a constant to blind.
fn plain() -> Case {
    probe_case("plain", "r0 = 0x1234567\nexit")
}

/// The smallest program that uses a feature.
fn using(feature: Feature) -> Case {
    match feature {
        Feature::Gotox => probe_case(
            "gotox",
            ".jumptable JT: there\nr1 = JT ll\nr1 = *(u64 *)(r1 +0)\ngotox r1\nthere: r0 = 0x1234567\nexit",
        ),
        Feature::SpilledTarget => probe_case(
            "spilled addresses of instructions",
            ".jumptable JT: there\nr1 = JT ll\nr1 = *(u64 *)(r1 +0)\n*(u64 *)(r10 -8) = r1\n\
             r1 = *(u64 *)(r10 -8)\ngotox r1\nthere: r0 = 0x1234567\nexit",
        ),
        Feature::Callx => {
            probe_case("callx", "r1 = there ll\ncallx r1\nexit\n.func there\nr0 = 0x1234567\nexit")
        }
    }
}

fn probe_case(what: &str, source: &str) -> Case {
    let run = Run {
        ctx: Vec::new(),
        packet: Vec::new(),
        returns: 0x0123_4567,
        ctx_after: None,
        packet_after: None,
    };
    accepts(format!("probe/{what}"), format!("whether the kernel supports {what}"), source)
        .run_giving(run)
        .into()
}

/// Tries a probe; the reason why it does not work, if it does not.
fn attempt(executor: &mut dyn Executor, mode: Mode, case: &Case) -> Result<Option<String>> {
    let plan = case.plan().with_context(|| format!("failed to compile {}", case.name))?;
    let what = case.name.trim_start_matches("probe/");
    let lowered = lower(case, &plan);
    let (report, _) = executor.execute(&case.name, mode, lowered.steps)?.into_report()?;
    for (role, step) in lowered.roles.iter().zip(&report.steps) {
        match (role, step) {
            (_, Err(failure)) => {
                let said = failure.log.lines().rfind(|line| !line.starts_with("processed "));
                let mut reason = format!(
                    "the kernel has no {what} in {}: {}",
                    mode.name(),
                    errno_name(failure.errno)
                );
                if let Some(said) = said {
                    reason.push_str(": ");
                    reason.push_str(said);
                }
                return Ok(Some(reason));
            }
            (Role::Load(_), Ok(Output::Loaded { jited_len, xlated, .. })) => {
                let jited = *jited_len > 0;
                let blinded = xlated.chunks_exact(8).any(|slot| {
                    let insn = bpf_isa::Insn::from_bytes(slot.try_into().unwrap_or_default());
                    insn.dst > LAST_REG || insn.src > LAST_REG
                });
                let proven = (jited, blinded) == (mode.jits(), mode.row().blinds);
                if !proven {
                    bail!(
                        "the guest does not run programs in {}: machine code of {jited_len} bytes, \
                         constants {}",
                        mode.name(),
                        if blinded { "blinded" } else { "not blinded" }
                    );
                }
            }
            (Role::Run(_), Ok(Output::Ran { retval, .. })) if *retval != 0x0123_4567 => {
                bail!("{} in {} returned {retval:#x}", case.name, mode.name());
            }
            _ => {}
        }
    }
    Ok(None)
}
