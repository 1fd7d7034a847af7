//! Suite `callx`: the indirect call (0x8d) of a function of the same program.

mod accepted;
mod analyses;
mod data;
mod rejected;

use crate::{Case, Feature};

/// The cases of the suite: what must work, what every analysis must know, what must be refused.
pub(crate) fn cases() -> Vec<Case> {
    let mut cases = accepted::cases();
    cases.extend(analyses::cases());
    cases.extend(rejected::cases());
    cases.extend(data::cases());
    for case in &mut cases {
        case.needs.push(Feature::Callx);
    }
    cases
}
