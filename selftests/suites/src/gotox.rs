//! Suite `gotox`: the indirect jump (0x0d) through `BPF_MAP_TYPE_INSN_ARRAY`.

mod accepted;
mod attacks_values;
mod base_faults;
mod fixes;
mod narrowing;
mod rejected;
mod shape;

use crate::{Case, Feature};

/// The cases of the suite: what must work, what must be rejected, what the base gets wrong, and how
/// its bugs are fixed.
pub(crate) fn cases() -> Vec<Case> {
    let mut cases = accepted::cases();
    cases.extend(rejected::cases());
    cases.extend(base_faults::cases());
    cases.extend(fixes::cases());
    cases.extend(narrowing::cases());
    cases.extend(attacks_values::cases());
    for case in &mut cases {
        case.needs.insert(0, Feature::Gotox);
    }
    cases
}
