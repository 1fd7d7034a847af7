//! A case that failed: what it is, so that a report can be read without the source beside it.

use bpf_isa::disassemble;
use bpf_object::LoadPlan;
use bpf_suites::{Case, Expect, Source};
use serde::{Deserialize, Serialize};

use crate::run::judge::{errno_name, hex};

/// A case: its program and what is expected of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Subject {
    /// `suite/case`.
    pub(crate) name: String,
    /// One line: what it shows.
    pub(crate) about: String,
    /// Its programs in the notation of the verifier's log; the name of the source file where a
    /// program in Rust does not compile.
    pub(crate) program: String,
    /// The runs that it states, none where the kernel has to reject it.
    pub(crate) runs: Vec<StatedRun>,
    /// How the kernel has to reject it; none where it has to accept it.
    pub(crate) rejection: Option<String>,
}

/// One run that a case states.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct StatedRun {
    /// The context, in hexadecimal.
    pub(crate) context: String,
    /// The packet, in hexadecimal.
    pub(crate) packet: String,
    /// What the program has to return, in hexadecimal.
    pub(crate) returns: String,
}

impl Subject {
    /// What a case is.
    pub(crate) fn of(case: &Case, plan: Option<&LoadPlan>) -> Self {
        let (runs, rejection) = match &case.expect {
            Expect::Accepted(runs) => {
                let runs = runs.iter().map(|run| StatedRun {
                    context: hex(&run.ctx),
                    packet: hex(&run.packet),
                    returns: format!("{:#x}", run.returns),
                });
                (runs.collect(), None)
            }
            Expect::Rejected(rejection) => {
                let rejection = format!(
                    "{:?} fails with {}, the log says {:?}",
                    rejection.at,
                    errno_name(rejection.errno),
                    rejection.log
                );
                (Vec::new(), Some(rejection))
            }
        };
        let program = match plan {
            Some(plan) => plan.programs.iter().map(|p| disassemble(&p.insns)).collect::<String>(),
            None => match &case.source {
                Source::Assembly(text) => text.clone(),
                Source::Rust(program) => format!("selftests/programs/bpf/{}.rs", program.name),
            },
        };
        Self { name: case.name.clone(), about: case.about.clone(), program, runs, rejection }
    }
}
