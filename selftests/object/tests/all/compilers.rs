//! Objects compiled by clang during the tests. Without a clang for BPF, the tests say so.

use std::process::Command;

use bpf_object::{LinkError, LoadPlan, link};

/// The object compiled from C, if there is a compiler.
pub(crate) fn compiled(name: &str, source: &str, flags: &[&str]) -> Option<Vec<u8>> {
    let dir = std::env::temp_dir().join(format!("bpf-object-{}-{name}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let (input, output) = (dir.join("a.c"), dir.join("a.o"));
    std::fs::write(&input, source).unwrap();
    let compiled = Command::new("clang-22")
        .args(["--target=bpfel", "-mcpu=v4", "-O2", "-c"])
        .args(flags)
        .arg(&input)
        .arg("-o")
        .arg(&output)
        .output();
    let object = match compiled {
        Ok(done) => {
            assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
            Some(std::fs::read(&output).unwrap())
        }
        Err(error) => {
            eprintln!("no clang-22 here, nothing was tested: {error}");
            None
        }
    };
    std::fs::remove_dir_all(&dir).unwrap();
    object
}

/// The result of linking C, if there is a compiler.
fn linked(name: &str, source: &str, flags: &[&str]) -> Option<Result<LoadPlan, LinkError>> {
    compiled(name, source, flags).map(|object| link(&object))
}

const PROGRAM: &str = "__attribute__((section(\"syscall\"), used)) int prog(unsigned long *ctx)";

#[test]
fn functions_may_lie_in_sections_of_their_own() {
    let source = format!(
        "__attribute__((noinline)) static long f(long a) {{ return a * 3 + (a >> 2); }}
         __attribute__((noinline)) long g(long a) {{ return f(a) + f(a ^ 9); }}
         __attribute__((noinline, visibility(\"hidden\"))) long h(long a) {{ return a ^ 77; }}
         {PROGRAM} {{ return g(ctx[0]) + h(ctx[1]); }}"
    );
    let Some(plan) = linked("sections", &source, &["-ffunction-sections"]) else { return };
    let plan = plan.unwrap_or_else(|error| panic!("{error}"));
    let mut functions: Vec<_> = plan.programs[0]
        .functions
        .iter()
        .map(|start| (start.name.as_str(), start.global))
        .collect();
    functions.sort_unstable();
    // A hidden function is static to the verifier.
    assert_eq!(functions, [("f", false), ("g", true), ("h", false), ("prog", true)]);
}

#[test]
fn zeros_become_a_map_without_contents() {
    let source = format!("static volatile long counts[4]; {PROGRAM} {{ return ++counts[2]; }}");
    let Some(plan) = linked("zeros", &source, &[]) else { return };
    let plan = plan.unwrap_or_else(|error| panic!("{error}"));
    let [map] = plan.maps.as_slice() else { panic!("{:?}", plan.maps) };
    assert_eq!((map.name.as_str(), map.value_size, map.frozen), (".bss", 32, false));
    assert!(map.contents.is_empty());
}

#[test]
fn what_depends_on_the_kernel_is_refused() {
    let field = format!(
        "struct s {{ int a, b; }} __attribute__((preserve_access_index));
         {PROGRAM} {{ return ((struct s *)ctx)->b; }}"
    );
    if let Some(result) = linked("core", &field, &["-g"]) {
        let error = result.expect_err("accepted").to_string();
        assert!(error.starts_with("cannot link section `syscall`, symbol `prog`"), "{error}");
        assert!(error.contains("a relocation of CO-RE"), "{error}");
    }
    let symbol = format!(
        "extern int CONFIG_HZ __attribute__((section(\".kconfig\")));
         {PROGRAM} {{ return CONFIG_HZ; }}"
    );
    if let Some(result) = linked("kconfig", &symbol, &["-g"]) {
        let error = result.expect_err("accepted").to_string();
        assert!(error.contains("`CONFIG_HZ` is not defined"), "{error}");
    }
}

#[test]
fn data_that_points_to_data_is_left_alone() {
    let source = format!(
        "static const int numbers[2] = {{ 3, 4 }};
         static const int *volatile const table[2] = {{ numbers, numbers + 1 }};
         {PROGRAM} {{ return *table[ctx[0] & 1]; }}"
    );
    let Some(result) = linked("pointers", &source, &[]) else { return };
    let plan = result.unwrap_or_else(|error| panic!("{error}"));
    let table = plan.maps.iter().find(|map| map.value_size >= 16).unwrap();
    let value = &table.contents[0].value;
    let words: Vec<u64> =
        value.as_chunks().0.iter().map(|&word| u64::from_le_bytes(word)).collect();
    // What clang leaves there: offsets in the section.
    assert_eq!(words[1] - words[0], 4, "{words:?}");
}

#[test]
fn maps_are_described_by_btf() {
    let source = format!(
        "struct bpf_spin_lock {{ unsigned val; }};
         struct value {{ long sum; struct bpf_spin_lock lock; }};
         typedef const struct value locked;
         struct {{
             int (*type)[2]; int (*max_entries)[7]; unsigned *key; locked *value;
         }} counts __attribute__((section(\".maps\"), used));
         struct {{
             int (*type)[1]; int (*max_entries)[9]; int (*key_size)[12]; int (*value_size)[24];
             int (*map_flags)[1];
         }} flows __attribute__((section(\".maps\"), used));
         static void *(*lookup)(void *, void *) = (void *)1;
         {PROGRAM} {{ unsigned k = 1; long f[2] = {{}};
             long *v = lookup(&counts, &k); if (v) ++*v; return lookup(&flows, f) != 0; }}"
    );
    let Some(plan) = linked("maps", &source, &["-g"]) else { return };
    let plan = plan.unwrap_or_else(|error| panic!("{error}"));
    let facts: Vec<_> = plan
        .maps
        .iter()
        .map(|map| {
            let sizes = (map.map_type, map.key_size, map.value_size, map.max_entries, map.flags);
            (map.name.as_str(), sizes, map.spin_lock, map.types.is_some())
        })
        .collect();
    let expected =
        [("counts", (2, 4, 16, 7, 0), Some(8), true), ("flows", (1, 12, 24, 9, 1), None, false)];
    assert_eq!(facts, expected);
    assert_eq!(plan.programs[0].map_refs.len(), 2);

    let odd = format!(
        "struct {{ int (*type)[2]; int (*colour)[1]; }} m
             __attribute__((section(\".maps\"), used));
         {PROGRAM} {{ return 0; }}"
    );
    let Some(result) = linked("odd", &odd, &["-g"]) else { return };
    let error = result.expect_err("accepted").to_string();
    assert!(error.contains("section `.maps`, symbol `m`"), "{error}");
    assert!(error.contains("the field `colour` is not supported"), "{error}");
}
