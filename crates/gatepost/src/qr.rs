//! A link as a picture for a phone's camera, drawn in the terminal.

use std::io::IsTerminal;

use qrcode::EcLevel;
use qrcode::QrCode;
use qrcode::render::unicode::Dense1x2;

/// The picture, where standard output is a terminal that is wide enough for it.
pub(crate) fn shown(link: &str) -> Option<String> {
    if !std::io::stdout().is_terminal() {
        return None;
    }
    let columns = rustix::termios::tcgetwinsize(std::io::stdout()).ok()?.ws_col;
    fitting(link, columns.into())
}

/// The picture, if it is not wider than that many columns. A picture that is broken over lines
/// cannot be read by anything.
fn fitting(link: &str, columns: usize) -> Option<String> {
    let code = QrCode::with_error_correction_level(link, EcLevel::L).ok()?;
    // Dark terminals are the rule, and cameras read either; the border is part of the code.
    let picture = code
        .render::<Dense1x2>()
        .dark_color(Dense1x2::Dark)
        .light_color(Dense1x2::Light)
        .quiet_zone(true)
        .build();
    let width = picture.lines().map(|line| line.chars().count()).max().unwrap_or(0);
    (width <= columns).then_some(picture)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINK: &str = "https://t.me/some_gatepost_bot?start=ABCD1234";

    #[test]
    fn a_picture_is_square_and_left_out_where_it_does_not_fit() {
        let picture = fitting(LINK, 80).unwrap();
        let lines: Vec<_> = picture.lines().collect();
        let width = lines[0].chars().count();
        assert!(lines.iter().all(|line| line.chars().count() == width));
        // Half a block is a module high: two rows of modules a line.
        assert_eq!(lines.len(), width.div_ceil(2));
        assert!(picture.chars().all(|c| " █▀▄\n".contains(c)));
        assert!(fitting(LINK, width).is_some());
        assert!(fitting(LINK, width - 1).is_none());
    }
}
