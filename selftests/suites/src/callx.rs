//! Suite `callx`: the indirect call (0x8d) of a function of the same program.

mod accepted;
mod analyses;
mod attacks_addresses;
mod attacks_choice;
mod barriers;
mod base_faults;
mod chains;
mod rejected;
mod shape;
mod stack_arguments;

use crate::{Case, Feature};

/// The cases of the suite: what must work, what each static analysis must know about indirect
/// calls, what must be rejected, what the base gets wrong.
pub(crate) fn cases() -> Vec<Case> {
    let mut cases = accepted::cases();
    cases.extend(analyses::cases());
    cases.extend(rejected::cases());
    cases.extend(stack_arguments::cases());
    cases.extend(barriers::cases());
    cases.extend(base_faults::cases());
    cases.extend(chains::cases());
    cases.extend(attacks_addresses::cases());
    cases.extend(attacks_choice::cases());
    for case in &mut cases {
        case.needs.push(Feature::Callx);
    }
    cases
}
