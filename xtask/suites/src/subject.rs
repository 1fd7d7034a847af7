//! A case as the reports show it.

use bpf_case::{Case, Expect, Source};
use bpf_isa::disassemble;
use bpf_object::LoadPlan;

use harness_results::notation::{errno_name, hex};
use harness_results::subject::{StatedRun, Subject};

/// What a case is, for the reports.
pub fn subject(case: &Case, plan: Option<&LoadPlan>) -> Subject {
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
    Subject { name: case.name.clone(), about: case.about.clone(), program, runs, rejection }
}
