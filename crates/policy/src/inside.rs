//! Expansions inside each other. The shell's parser tries several readings of each, so that one more
//! takes up to twenty times as long; beyond a few nothing is handed to it.

/// The most brackets of expansions that may stand inside each other.
const MAX_BRACKETS: usize = 6;

/// The most `${` among them.
const MAX_PARAMETERS: usize = 3;

/// How many stand inside each other in a text, ended or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Inside {
    brackets: usize,
    parameters: usize,
}

impl Inside {
    /// Counts them, without a look at quotes.
    pub(crate) fn of(text: &str) -> Self {
        let (mut open, mut most) = (Vec::new(), Self { brackets: 0, parameters: 0 });
        let (mut before, mut parameters) = (None, 0usize);
        for byte in text.bytes() {
            match byte {
                b'{' | b'[' | b'(' if before == Some(b'$') => {
                    open.push(byte);
                    parameters += usize::from(byte == b'{');
                }
                b'(' if !open.is_empty() => open.push(byte),
                b'}' | b']' | b')' => parameters -= usize::from(open.pop() == Some(b'{')),
                _ => {}
            }
            before = Some(byte);
            most.brackets = most.brackets.max(open.len());
            most.parameters = most.parameters.max(parameters);
        }
        most
    }

    /// Whether a word or here-document with it is not read.
    pub(crate) fn is_too_much(self) -> bool {
        self.brackets > MAX_BRACKETS || self.parameters > MAX_PARAMETERS
    }

    /// Whether a whole text with it is not: its parser reads what may be an array's index.
    pub(crate) fn is_too_much_for_indexes(self) -> bool {
        self.parameters > MAX_PARAMETERS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_inside_each_other_is_counted_ended_or_not() {
        for (text, brackets, parameters) in [
            ("echo $(a) ${b} $((1))", 2, 1),
            ("${a:-${b:-${c}}}", 3, 3),
            ("${a ${b ${c ${d", 4, 4),
            ("$(a $(b $(c)))", 3, 0),
            ("(a) {b} [c]", 0, 0),
            ("}}}${a}", 1, 1),
        ] {
            assert_eq!(Inside::of(text), Inside { brackets, parameters }, "{text}");
        }
        assert!(!Inside::of("${a:-${b:-${c}}}").is_too_much());
        assert!(Inside::of(&"$(".repeat(7)).is_too_much());
    }
}
