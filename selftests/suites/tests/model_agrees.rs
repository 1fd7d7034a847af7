//! The result stated by a case equals the model's.

use bpf_model::{Input, Machine};
use bpf_object::LoadPlan;
use bpf_suites::{Act, Case, Expect};

/// Step limit of a run: a loop that only may_goto ends has 8 million iterations.
const BUDGET: u64 = 64_000_000;

#[test]
fn stated_results_are_the_models() {
    let mut wrong = Vec::new();
    for case in bpf_suites::all() {
        let Expect::Accepted(runs) = &case.expect else { continue };
        let plan = case.plan().expect("cases compile");
        // Maps keep their contents between runs, as in the kernel.
        let mut machine = Machine::new(&plan).expect("the model takes the plan");
        for run in runs {
            let input = Input { ctx: run.ctx.clone(), packet: run.packet.clone() };
            match machine.run(0, &input, BUDGET) {
                // Results computed from an address depend on the kernel.
                Ok(outcome)
                    if !outcome.address_leaked
                        && outcome.r0 & 0xffff_ffff != u64::from(run.returns) =>
                {
                    wrong.push(format!(
                        "{}: {:#x}, stated {:#x}",
                        case.name, outcome.r0, run.returns
                    ));
                }
                Ok(outcome) => {
                    if let Some(after) = &run.ctx_after
                        && *after != outcome.ctx
                    {
                        wrong.push(format!("{}: context {:x?}", case.name, outcome.ctx));
                    }
                    if let Some(after) = &run.packet_after
                        && *after != outcome.packet
                    {
                        wrong.push(format!("{}: packet {:x?}", case.name, outcome.packet));
                    }
                    // For these the judge would not compare anything with the model.
                    if case.name.starts_with("isa/")
                        && (outcome.address_leaked || outcome.may_goto_spent)
                    {
                        wrong.push(format!("{}: the result is the kernel's choice", case.name));
                    }
                }
                Err(trap) => wrong.push(format!("{}: {trap}", case.name)),
            }
        }
        wrong.extend(maps(&case, &plan, &machine));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The maps whose stated words differ.
fn maps(case: &Case, plan: &LoadPlan, machine: &Machine) -> Vec<String> {
    let mut wrong = Vec::new();
    for check in &case.checks {
        let Act::Holds(words) = &check.act else { continue };
        let index = plan.maps.iter().position(|map| map.name == check.map).expect("a map");
        let elements = machine.map(index).expect("its contents").elements();
        let difference = words.difference(&elements[0].1);
        wrong.extend(difference.map(|text| format!("{}: {}: {text}", case.name, check.map)));
    }
    wrong
}
