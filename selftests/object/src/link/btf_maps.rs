//! Maps of the section `.maps`, which BTF describes: `parse_btf_map_def` in `tools/lib/bpf/libbpf.c`.

use super::error::{LinkError, Location};
use super::types::Types as Described;
use crate::btf_read::Types;
use crate::names::{BTF, BTF_MAPS};
use crate::plan::MapPlan;
use crate::read::{Object, Symbol};

/// The types of the object, which describe its maps.
pub(super) fn types<'o>(object: &Object<'o>) -> Result<Types<'o>, LinkError> {
    let fail = |reason| Location::new(BTF_MAPS, "", 0).error(reason);
    let (_, btf) = object
        .section(BTF)
        .ok_or_else(|| fail("there is no section `.BTF` to describe the maps; compile with -g"))?;
    Types::read(btf.data)
        .ok_or_else(|| fail("the section `.BTF`, which describes it, is malformed"))
}

/// The map that a symbol of the section defines.
pub(super) fn map(
    types: &Types<'_>,
    symbol: &Symbol<'_>,
    described: &mut Described,
) -> Result<MapPlan, LinkError> {
    let fail = |reason: String| Location::new(BTF_MAPS, symbol.name, symbol.value).error(reason);
    let members = types.variable(symbol.name).and_then(|id| types.members(id));
    let members = members
        .ok_or_else(|| fail("BTF does not describe the map as a variable of a struct".into()))?;
    let mut plan = MapPlan { name: symbol.name.to_owned(), ..MapPlan::default() };
    for member in members {
        let malformed = || fail(format!("the field `{}` is not of the form it needs", member.name));
        let number = || types.number(member.type_id).ok_or_else(malformed);
        let pointee = || types.pointee(member.type_id).ok_or_else(malformed);
        let size = |id| types.size(id).ok_or_else(malformed);
        match member.name {
            "type" => plan.map_type = number()?,
            "max_entries" => plan.max_entries = number()?,
            "map_flags" => plan.flags = number()?,
            "key_size" => plan.key_size = number()?,
            "value_size" => plan.value_size = number()?,
            "key" => plan.key_size = size(pointee()?)?,
            "value" => {
                let value = pointee()?;
                plan.value_size = size(value)?;
                plan.spin_lock = types.member_of_struct(value, "bpf_spin_lock");
            }
            other => {
                return Err(fail(format!(
                    "the field `{other}` is not supported; known are type, max_entries, map_flags, \
                     key_size, value_size, key and value"
                )));
            }
        }
    }
    let lock = plan.spin_lock;
    plan.types = lock.map(|lock| described.of_locked_map(plan.key_size, plan.value_size, lock));
    Ok(plan)
}
