//! `NAME=VALUE` of the command line: variables of an object, fields of a context.

use bpf_object::{Field, Linked, LoadPlan};

/// Program types whose context has fields of the kernel's, `struct __sk_buff` and `struct xdp_md` of
/// `include/uapi/linux/bpf.h`, with its size.
const SKB: (&[u32], usize) = (&[1, 3, 4, 8, 10, 11, 12, 19], 192);
const XDP: (&[u32], usize) = (&[6], 24);

/// Fields that `BPF_PROG_TEST_RUN` takes: name, offset, size in bytes.
const SKB_FIELDS: [(&str, usize, usize); 16] = [
    ("mark", 8, 4),
    ("priority", 32, 4),
    ("ingress_ifindex", 36, 4),
    ("ifindex", 40, 4),
    ("cb", 48, 20),
    ("cb[0]", 48, 4),
    ("cb[1]", 52, 4),
    ("cb[2]", 56, 4),
    ("cb[3]", 60, 4),
    ("cb[4]", 64, 4),
    ("tstamp", 152, 8),
    ("wire_len", 160, 4),
    ("gso_segs", 164, 4),
    ("gso_size", 176, 4),
    ("tstamp_type", 180, 1),
    ("hwtstamp", 184, 8),
];
const XDP_FIELDS: [(&str, usize, usize); 5] = [
    ("data", 0, 4),
    ("data_end", 4, 4),
    ("data_meta", 8, 4),
    ("ingress_ifindex", 12, 4),
    ("rx_queue_index", 16, 4),
];

/// Gives variables of an object values: `NAME=VALUE`.
///
/// # Errors
///
/// If there is no such variable, or the value does not fit.
pub fn set(linked: &mut Linked, assignment: &str) -> Result<(), String> {
    let (name, value) = split(assignment)?;
    let named: Vec<_> =
        linked.variables.iter().filter(|variable| variable.field.name == name).cloned().collect();
    let mut found = false;
    for variable in named {
        let value = bytes(value, variable.field.size).map_err(|why| format!("{name}: {why}"))?;
        found |= linked.plan.set(&variable, &value)?;
    }
    if found {
        return Ok(());
    }
    let used = |section: &str| linked.plan.maps.iter().any(|map| map.name == section);
    let names: Vec<&str> = linked
        .variables
        .iter()
        .filter(|variable| used(&variable.section))
        .map(|variable| variable.field.name.as_str())
        .collect();
    Err(format!("no program uses a variable {name}; there are: {}", names.join(", ")))
}

/// A context for the first program of a plan, with these fields: `NAME=VALUE,…`; zeros otherwise, as
/// far as the kernel allows it.
///
/// # Errors
///
/// If there is no such field, or the value does not fit.
pub fn context(
    plan: &LoadPlan,
    zeros: Vec<u8>,
    packet: &[u8],
    assignments: &str,
) -> Result<Vec<u8>, String> {
    let prog_type = plan.programs.first().map_or(0, |program| program.prog_type);
    let table = |table: &[(&str, usize, usize)]| -> Vec<Field> {
        let field = |&(name, offset, size): &(&str, usize, usize)| Field {
            name: name.to_owned(),
            offset,
            size,
        };
        table.iter().map(field).collect()
    };
    let mut ctx = zeros;
    let fields = if SKB.0.contains(&prog_type) {
        ctx.resize(SKB.1, 0);
        table(&SKB_FIELDS)
    } else if XDP.0.contains(&prog_type) {
        ctx.resize(XDP.1, 0);
        // The kernel wants the end of the packet there.
        let end = u32::try_from(packet.len()).unwrap_or(u32::MAX);
        ctx[4..8].copy_from_slice(&end.to_le_bytes());
        table(&XDP_FIELDS)
    } else {
        plan.context_fields()
    };
    for assignment in assignments.split(',') {
        let (name, value) = split(assignment)?;
        let field = fields.iter().find(|field| field.name == name).ok_or_else(|| {
            let names: Vec<&str> = fields.iter().map(|field| field.name.as_str()).collect();
            match names.is_empty() {
                true => "the context has no fields that are known; compile with -g".to_owned(),
                false => format!("the context has no field {name}; it has {}", names.join(", ")),
            }
        })?;
        let value = bytes(value, field.size).map_err(|why| format!("{name}: {why}"))?;
        let end = field.offset + field.size;
        if ctx.len() < end {
            ctx.resize(end.next_multiple_of(8), 0);
        }
        ctx[field.offset..end].copy_from_slice(&value);
    }
    Ok(ctx)
}

fn split(assignment: &str) -> Result<(&str, &str), String> {
    let parts = assignment.split_once('=').map(|(name, value)| (name.trim(), value.trim()));
    parts.ok_or_else(|| format!("{assignment}: NAME=VALUE is expected"))
}

/// A number of so many bytes in little endian, or all bytes in hexadecimal where they are more than
/// eight.
fn bytes(text: &str, size: usize) -> Result<Vec<u8>, String> {
    if size > 8 {
        let digits = text.as_bytes();
        let whole = digits.len() == 2 * size && digits.iter().all(u8::is_ascii_hexdigit);
        let pair = |pair: &[u8]| u8::from_str_radix(&String::from_utf8_lossy(pair), 16).ok();
        return whole
            .then(|| digits.chunks(2).filter_map(pair).collect())
            .ok_or_else(|| format!("{size} bytes are two hexadecimal digits each"));
    }
    let (negative, digits) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let number = match digits.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => digits.parse(),
    };
    let number = number.map_err(|error| format!("{text}: {error}"))?;
    let bits = 8 * size as u32;
    let most = if negative { 1u64 << (bits - 1) } else { u64::MAX >> (64 - bits) };
    if number > most {
        return Err(format!("{text} does not fit {size} bytes"));
    }
    let number = if negative { number.wrapping_neg() } else { number };
    Ok(number.to_le_bytes()[..size].to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_fit_their_place() {
        assert_eq!(bytes("3", 4).unwrap(), [3, 0, 0, 0]);
        assert_eq!(bytes("-1", 2).unwrap(), [0xff, 0xff]);
        assert_eq!(bytes("0xffffffffffffffff", 8).unwrap(), [0xff; 8]);
        assert_eq!(bytes("-128", 1).unwrap(), [0x80]);
        for (text, size) in [("256", 1), ("-129", 1), ("x", 4), ("", 4), ("0x1", 12)] {
            assert!(bytes(text, size).is_err(), "{text}");
        }
        assert_eq!(bytes("0102030405060708090a", 10).unwrap()[9], 10);
    }

    #[test]
    fn fields_of_contexts_are_known_by_name() {
        let plan = |section: &str| {
            bpf_object::compile(&format!(".prog main {section}\nr0 = 0\nexit")).unwrap()
        };
        let ctx = context(&plan("tc"), Vec::new(), &[0; 64], "mark=7, cb[1]=0x10").unwrap();
        assert_eq!((ctx.len(), ctx[8], ctx[52]), (192, 7, 16));
        let ctx = context(&plan("xdp"), Vec::new(), &[0; 64], "ingress_ifindex=1").unwrap();
        assert_eq!((ctx.len(), ctx[4], ctx[12]), (24, 64, 1));
        let error = context(&plan("tc"), Vec::new(), &[], "len=3").unwrap_err();
        assert!(error.starts_with("the context has no field len; it has mark,"), "{error}");
        assert!(context(&plan("syscall"), Vec::new(), &[], "a=1").unwrap_err().contains("-g"));
        assert!(context(&plan("tc"), Vec::new(), &[], "mark").unwrap_err().contains("NAME=VALUE"));
    }

    #[test]
    fn variables_get_values_before_the_load() {
        let elf = bpf_object::compile_elf(
            "r1 = limit ll\nr0 = *(u64 *)(r1 +0)\nexit\n.data limit .rodata: 5",
        )
        .unwrap();
        let mut linked = super::super::link(&elf).unwrap();
        set(&mut linked, "limit=-2").unwrap();
        assert_eq!(linked.plan.maps[0].contents[0].value[..2], [0xfe, 0xff]);
        let error = set(&mut linked, "limits=1").unwrap_err();
        assert_eq!(error, "no program uses a variable limits; there are: limit");
    }
}
