use proptest::prelude::*;

use super::{
    super::outgoing::{Outgoing, Said, Sift},
    frame, header, long, method, opening, settle, short,
};

/// What is heard when the bytes come in pieces of these sizes.
fn heard(bytes: &[u8], cuts: &[usize]) -> Vec<(u16, Said)> {
    let mut outgoing = Outgoing::new();
    let mut heard = Vec::new();
    let mut cuts = cuts.iter().cycle();
    let mut rest = bytes;
    while !rest.is_empty() {
        let cut = (*cuts.next().expect("endless")).min(rest.len());
        outgoing.follow(&rest[..cut], |channel, said| heard.push((channel, said)));
        rest = &rest[cut..];
    }
    heard
}

/// A frame, and what it says.
fn frames() -> impl Strategy<Value = (Vec<u8>, (u16, Said))> {
    let tag = any::<u64>();
    (any::<u16>(), tag, any::<u8>(), 0..13_u8).prop_map(|(channel, tag, flags, kind)| {
        let multiple = flags & 1 == 1;
        let (bytes, said) = match kind {
            0 => (method(channel, 20, 10, &[short(b"")]), Said::Open),
            1 => (method(channel, 20, 41, &[]), Said::CloseOk),
            2 => (method(channel, 20, 21, &[vec![1]]), Said::FlowOk),
            3 => {
                let arguments = [vec![0; 4], vec![0x12, 0x34], vec![0]];
                let qos = method(channel, 60, 10, &arguments);
                (qos, Said::Qos { prefetch: 0x1234 })
            }
            4 => {
                let arguments = [vec![0, 0], short(b"q"), short(b""), vec![0], long(b"")];
                (method(channel, 60, 20, &arguments), Said::Consume)
            }
            5 => {
                let arguments = [vec![0, 0], short(b"ex"), short(b"a"), vec![1]];
                (method(channel, 60, 40, &arguments), Said::Publish)
            }
            6 => (
                settle(channel, 80, tag, flags),
                Said::Settle { tag, multiple },
            ),
            7 => (
                settle(channel, 120, tag, flags),
                Said::Settle { tag, multiple },
            ),
            8 => {
                let multiple = false;
                (
                    settle(channel, 90, tag, flags),
                    Said::Settle { tag, multiple },
                )
            }
            // In what is no method it says nothing, whatever it is.
            9 => (header(channel, tag, &[0, 60, 0, 40]), Said::Other),
            10 => (
                frame(3, channel, &[0, 60, 0, 40].repeat(flags.into())),
                Said::Other,
            ),
            11 => (method(channel, 85, 10, &[vec![0]]), Said::Confirm),
            _ => (frame(8, channel, b""), Said::Other),
        };
        (bytes, (channel, said))
    })
}

proptest! {
    #[test]
    fn it_is_heard_however_it_is_cut(
        frames in prop::collection::vec(frames(), 0..20), cuts in prop::collection::vec(1..30_usize, 1..8),
    ) {
        let (bytes, said): (Vec<_>, Vec<_>) = frames.into_iter().unzip();
        prop_assert_eq!(heard(&bytes.concat(), &cuts), said);
    }

    /// What goes out is lapin's: whatever it is, following it does no harm.
    #[test]
    fn any_bytes_are_borne(bytes in prop::collection::vec(any::<u8>(), 0..200), cuts in prop::collection::vec(1..30_usize, 1..8)) {
        prop_assert_eq!(heard(&bytes, &cuts), heard(&bytes, &[1]));
    }
}

#[test]
fn the_protocol_header_is_no_frame() {
    let heard = heard(&opening(1..2), &[1000]);
    assert_eq!(
        heard[..2],
        [(u16::from_be_bytes(*b"MQ"), Said::Other), (1, Said::Open)]
    );
}

/// Or a socket that takes a byte at a time would have all of them looked at for each byte.
#[test]
fn of_many_small_frames_some_are_looked_at_ahead() {
    let small = frame(3, 1, b"a small body");
    let many = small.repeat(10_000);
    let sifted = Outgoing::new().sift(&many, |_| true);
    assert_eq!(sifted, Sift::Pass(256 * small.len()));
    let few = small.repeat(256);
    assert_eq!(Outgoing::new().sift(&few, |_| true), Sift::Pass(few.len()));
}
