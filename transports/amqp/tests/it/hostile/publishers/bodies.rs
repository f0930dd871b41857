//! Bodies of the compact form.

use super::message::{
    Case,
    Comes::{Aside, Out},
    compact,
};

pub(super) fn odd_bodies() -> Vec<Case> {
    let name = [1, 0, 3, b'a', b'.', b'b'];
    let whole = |fields: &[u8]| {
        let length = u16::try_from(fields.len()).expect("short").to_be_bytes();
        [&[1], &length[..], fields, b"event"].concat()
    };
    vec![
        compact(
            "good",
            &whole(&name),
            Out(|message| message.body == "event"),
        ),
        compact("empty", b"", Aside("cut short")),
        compact("a layout alone", &[1], Aside("cut short")),
        compact("of a layout to come", &[2, 0, 0], Aside("update")),
        compact("of layout zero", &[0, 0, 0], Aside("layout 0")),
        compact(
            "fields beyond its end",
            &[1, 0xFF, 0xFF, 1, 0, 1, b'a'],
            Aside("cut short"),
        ),
        compact(
            "a field beyond the fields",
            &whole(&[1, 0xFF, 0xFF, b'a']),
            Aside("cut short"),
        ),
        compact(
            "half a field",
            &whole(&[name.as_slice(), &[3, 0]].concat()),
            Aside("cut short"),
        ),
        compact("without a name", &whole(&[]), Aside("field 1 is missing")),
        compact("two names", &whole(&[name, name].concat()), Aside("twice")),
        compact(
            "a name that is none",
            &whole(&[1, 0, 2, b'a', 0xFF]),
            Aside("field 1"),
        ),
        compact(
            "a time of three bytes",
            &whole(&[name.as_slice(), &[4, 0, 3, 0, 0, 0]].concat()),
            Aside("must have 8"),
        ),
        compact(
            "an unknown field",
            &whole(&[name.as_slice(), &[200, 0, 1, 0]].concat()),
            Out(|_| true),
        ),
    ]
}
