//! Panics, which BPF does not have: each calls an undefined function, so a program with one does
//! not link.

unsafe extern "C" {
    fn this_program_can_panic() -> !;
}

macro_rules! panics {
    ($($item:literal $name:ident($($argument:ident: $type:ty),*);)*) => {
        $(
            #[lang = $item]
            #[inline(always)]
            fn $name($($argument: $type),*) -> ! {
                // SAFETY: the call is never linked, so never made.
                unsafe { this_program_can_panic() }
            }
        )*
    };
}
panics! {
    "panic_bounds_check" panic_bounds_check(_index: usize, _len: usize);
    "panic_const_div_by_zero" panic_const_div_by_zero();
    "panic_const_rem_by_zero" panic_const_rem_by_zero();
    "panic_const_div_overflow" panic_const_div_overflow();
    "panic_const_rem_overflow" panic_const_rem_overflow();
    "panic_const_add_overflow" panic_const_add_overflow();
    "panic_const_sub_overflow" panic_const_sub_overflow();
    "panic_const_mul_overflow" panic_const_mul_overflow();
    "panic_const_neg_overflow" panic_const_neg_overflow();
    "panic_const_shl_overflow" panic_const_shl_overflow();
    "panic_const_shr_overflow" panic_const_shr_overflow();
}

#[lang = "panic_location"]
struct Location<'a> {
    _file: &'a str,
    _line: u32,
    _column: u32,
}

#[lang = "eh_personality"]
fn eh_personality() -> ! {
    // SAFETY: with panic=abort nothing refers to it.
    unsafe { this_program_can_panic() }
}
