//! Names that do nothing beyond the code's own data, and how the names of code are found.

use std::collections::BTreeSet;

/// Perl's operators and functions.
const PERL: &str = "print say printf sprintf if unless else elsif while until for foreach next last \
    redo return my our local use strict warnings and or not xor eq ne lt gt le ge cmp x split join map \
    grep sort reverse keys values each exists defined push pop shift unshift splice scalar length \
    substr index rindex uc lc ucfirst lcfirst chomp chop chr ord abs int sqrt sin cos log exp atan2 hex \
    oct rand srand time localtime gmtime die warn sub BEGIN END STDIN STDOUT STDERR undef wantarray ref \
    bless pos quotemeta pack unpack eof no lib constant utf8 feature List::Util sum sum0 max min first \
    uniq shuffle Data::Dumper Dumper JSON::PP decode_json encode_json POSIX floor ceil strftime exit \
    integer bigint vars lstat stat __FILE__ __LINE__ __PACKAGE__ __END__ package";

/// Ruby's words and the methods of its own data.
const RUBY: &str = "puts print p pp printf format sprintf if else elsif end unless while until for in do \
    def class module return yield nil true false self and or not begin rescue ensure raise case when \
    then next break redo loop require require_relative json yaml set time date csv bigdecimal JSON YAML \
    Set Time Date CSV ARGV STDIN STDOUT STDERR gets to_s to_i to_f to_a to_h to_sym to_json parse \
    generate pretty_generate each each_with_index each_with_object each_line each_char each_slice \
    each_cons map flat_map collect select filter reject reduce inject sum count size length min max \
    min_by max_by sort sort_by uniq group_by partition zip first last take drop take_while drop_while \
    find find_index detect any all none include index rindex key keys values fetch dig merge update \
    push pop shift unshift insert concat join split strip chomp chop lstrip rstrip upcase downcase \
    capitalize swapcase gsub sub tr delete_if squeeze reverse rotate flatten compact transpose product \
    combination permutation times upto downto step ljust rjust center start_with end_with match scan \
    chars lines bytes ord chr hex oct abs round floor ceil divmod zero even odd positive negative empty \
    nil is_a kind_of respond_to instance_of freeze dup clone tap then now today strftime iso8601 year \
    month day hour minute hash inspect class name attr_accessor attr_reader attr_writer initialize new \
    Struct Array Hash String Integer Float Symbol Range Regexp Math sqrt PI rand srand exit Comparable \
    Enumerable StandardError ArgumentError RuntimeError KeyError TypeError message lambda proc call \
    super BEGIN END File read readlines exist basename dirname extname join file directory Dir glob \
    RUBY_VERSION RUBY_PLATFORM __FILE__ sync tally lazy force to_set entries slice values_at";

/// PHP's words and the functions of its own data; none of those that call what a text names.
const PHP: &str = "php echo print print_r var_dump var_export if else elseif endif while endwhile for \
    foreach endforeach as switch case default break continue return fn new class extends \
    public private protected static const null true false and or xor isset unset empty array list \
    json_encode json_decode count strlen str_replace str_repeat strtolower strtoupper ucfirst ucwords \
    trim ltrim rtrim explode implode substr strpos stripos str_contains str_starts_with str_ends_with \
    sprintf printf number_format in_array array_keys array_values array_merge array_sum array_unique \
    array_reverse array_slice array_key_exists array_search array_column array_flip array_combine \
    array_fill array_pad array_chunk range sort rsort ksort asort min max abs round floor ceil sqrt pow \
    intdiv rand mt_rand random_int is_array is_string is_int is_numeric is_null intval floatval strval \
    gettype date time strtotime microtime mktime md5 sha1 crc32 base64_encode bin2hex urlencode \
    htmlspecialchars nl2br strrev ord chr dechex hexdec bindec decbin phpversion PHP_VERSION PHP_EOL \
    PHP_OS PHP_INT_MAX M_PI JSON_PRETTY_PRINT JSON_THROW_ON_ERROR exit die int string bool float void \
    declare strict_types namespace use Exception getMessage throw try catch finally self this \
    extension_loaded get_loaded_extensions file_exists is_file is_dir basename dirname pathinfo argv \
    argc memory_get_usage usleep sleep match";

/// Lua's words and libraries of its own data.
const LUA: &str = "print and break do else elseif end false for goto if in local nil not or \
    repeat return then true until while ipairs pairs next tostring tonumber type select unpack assert \
    error string string.format string.rep string.sub string.gsub string.gmatch string.match string.find \
    string.len string.upper string.lower string.reverse string.byte string.char table table.concat \
    table.insert table.remove table.sort table.unpack math math.floor math.ceil math.max math.min \
    math.abs math.sqrt math.random math.pi math.huge os.time os.date os.clock _VERSION arg io.read \
    io.lines self format rep sub gsub gmatch match find len upper lower byte jit.version jit";

/// The words of R and Julia and what works on their own data.
const NUMBERS: &str = "cat print println paste paste0 c list length mean median sd var sum summary head \
    tail data.frame read.csv nrow ncol names str seq rep sqrt round max min if else for in while \
    return TRUE FALSE NULL NA true false nothing end begin let const using Statistics LinearAlgebra \
    Dates Printf Test range collect map filter push string Int Float64 Int64 String Vector Dict Array \
    zeros ones rand size ndims abs exp log sin cos tan floor ceil sort unique rev order which table \
    apply sapply lapply vapply matrix dim t is.na nchar substr sprintf format toupper tolower set.seed \
    rnorm runif sample version R.version.string VERSION typeof class join split parse show repr stdout \
    puts expr set incr foreach proc llength lindex lappend System.out.println System.out.print";

/// Words after which a slash begins a pattern.
const BEFORE_PATTERN: [&str; 10] =
    ["if", "unless", "and", "or", "not", "split", "grep", "when", "return", "while"];

/// The first name of code that nobody knows. `kept` says that the code is a file, whose objects may
/// have methods of any name.
pub(super) fn stranger(
    language: &str,
    code: &str,
    kept: bool,
) -> Result<Option<String>, &'static str> {
    let words = match language {
        "perl" => PERL,
        "ruby" => RUBY,
        "php" => PHP,
        "lua" => LUA,
        _ => NUMBERS,
    };
    let known: BTreeSet<&str> = words.split_whitespace().collect();
    let mut reader = Reader { language, rest: code, before: ' ', names: Vec::new() };
    reader.read()?;
    let own: BTreeSet<&str> =
        reader.names.iter().filter(|name| name.own).map(|name| name.text).collect();
    let strange = reader.names.iter().find(|name| {
        let is_known = known.contains(name.text) || own.contains(name.text);
        !(is_known || name.key || kept && name.method)
    });
    Ok(strange.map(|name| name.text.to_owned()))
}

/// A name that stands in code.
struct Name<'a> {
    text: &'a str,
    /// It is defined or assigned to here.
    own: bool,
    /// It is the key of an entry.
    key: bool,
    /// It is called on an object.
    method: bool,
}

struct Reader<'a> {
    language: &'a str,
    rest: &'a str,
    /// The last character that is no blank.
    before: char,
    names: Vec<Name<'a>>,
}

impl<'a> Reader<'a> {
    fn is(&self, languages: &[&str]) -> bool {
        languages.contains(&self.language)
    }

    fn read(&mut self) -> Result<(), &'static str> {
        let mut glued = false;
        while let Some(c) = self.rest.chars().next() {
            let after = self.rest.get(c.len_utf8()..).unwrap_or_default();
            match c {
                '\'' | '"' => {
                    // `a'b` is a name in old Perl, so what follows may be no text.
                    if glued && self.language == "perl" {
                        return Err("puts a quote behind a name");
                    }
                    self.rest = after;
                    self.text(c)?;
                    self.before = c;
                }
                '`' => return Err("may run programs"),
                '#' if !glued && !self.is(&["lua"]) && self.before != '$' => self.line(),
                '-' if self.language == "lua" && after.starts_with('-') => self.line(),
                '/' if self.language == "php" && after.starts_with('/') => self.line(),
                '/' if self.is(&["perl", "ruby"]) && self.pattern_here() => {
                    self.rest = after;
                    self.until('/')?;
                    self.flags()?;
                    self.before = '/';
                }
                '$' | '@' | '%' if !self.is(&["lua"]) => {
                    self.rest = after;
                    self.before = c;
                    let sigil =
                        self.rest.starts_with(|next: char| next.is_alphabetic() || next == '_');
                    // `$x` is a variable, and so is `@x`; `%d` may be what is left of a division.
                    if sigil && !(c == '%' && glued) {
                        self.word();
                    }
                }
                '<' if after.starts_with('<')
                    && after
                        .trim_start_matches(['<', '-', '~'])
                        .starts_with(|next: char| next.is_alphabetic() || "'\"".contains(next))
                    && !self.is(&["lua"]) =>
                {
                    return Err("holds a document");
                }
                '[' if self.language == "lua"
                    && (after.starts_with('[') || after.starts_with('=')) =>
                {
                    return Err("holds a long text");
                }
                c if c.is_alphabetic() || c == '_' => self.name()?,
                c if c.is_ascii_digit() => {
                    self.rest =
                        self.rest.trim_start_matches(|c: char| c.is_alphanumeric() || c == '_');
                    self.before = c;
                }
                c => {
                    if !c.is_whitespace() {
                        self.before = c;
                    }
                    self.rest = after;
                }
            }
            glued =
                !self.rest.is_empty() && (c.is_alphanumeric() || c == '_' || c == ')' || c == ']');
        }
        Ok(())
    }

    /// The rest of a line is a remark.
    fn line(&mut self) {
        self.rest = self.rest.split_once('\n').map_or("", |(_, rest)| rest);
    }

    /// A text up to its quote. What is put into it is code.
    fn text(&mut self, quote: char) -> Result<(), &'static str> {
        let begun = self.rest;
        self.until(quote)?;
        let length = begun.len() - self.rest.len();
        let text = begun.get(..length).unwrap_or_default();
        let put = ["@{", "${", "#{", "{$", "@["].iter().any(|mark| text.contains(mark));
        if quote == '"' && put {
            return Err("puts code into a text");
        }
        Ok(())
    }

    fn until(&mut self, end: char) -> Result<(), &'static str> {
        let mut chars = self.rest.char_indices();
        while let Some((at, c)) = chars.next() {
            if c == '\\' {
                chars.next();
            } else if c == end {
                let inner = self.rest.get(..at).unwrap_or_default();
                if inner.contains("(?{") || inner.contains("(??") {
                    return Err("puts code into a pattern");
                }
                self.rest = self.rest.get(at + c.len_utf8()..).unwrap_or_default();
                return Ok(());
            }
        }
        Err("holds a text that is never closed")
    }

    /// The flags of a pattern; one of them runs its replacement as code.
    fn flags(&mut self) -> Result<(), &'static str> {
        let rest = self.rest.trim_start_matches(|c: char| c.is_ascii_lowercase());
        let length = self.rest.len() - rest.len();
        let flags = self.rest.get(..length).unwrap_or_default();
        // `/x/or` is a pattern and a word.
        if flags.contains('e') || flags.len() > 4 {
            return Err("runs what it puts in the place of a pattern");
        }
        self.rest = rest;
        Ok(())
    }

    fn pattern_here(&self) -> bool {
        let last = self.names.last().map_or("", |name| name.text);
        "~({;!,&|=} ".contains(self.before)
            || self.before.is_alphabetic() && BEFORE_PATTERN.contains(&last)
    }

    /// Takes the characters of a word.
    fn word(&mut self) -> &'a str {
        let dotted = self.is(&["lua", "R", "julia", "java"]);
        let part = |c: char| c.is_alphanumeric() || c == '_' || dotted && c == '.';
        let mut rest = self.rest.trim_start_matches(part);
        while self.language == "perl" && rest.starts_with("::") {
            rest = rest.trim_start_matches(':').trim_start_matches(part);
        }
        let word = self.rest.get(..self.rest.len() - rest.len()).unwrap_or_default();
        self.rest = rest;
        self.before = word.chars().next_back().unwrap_or(' ');
        word
    }

    fn name(&mut self) -> Result<(), &'static str> {
        let before = self.before;
        let last = self.names.last().map_or("", |name| name.text);
        let defines = before.is_alphabetic()
            && ["def", "sub", "function", "local", "for", "class", "module", "proc", "in"]
                .contains(&last)
            && last != "in";
        let behind = |mark: char| before == mark;
        let word = self.word();
        let next = self.rest.trim_start();
        if self.language == "perl" && self.quoting(word, next)? {
            return Ok(());
        }
        if self.language == "perl" && word == "do" && !next.starts_with('{') {
            return Err("runs a file");
        }
        let assigned = next.starts_with('=') && !next.starts_with("==") && !next.starts_with("=~")
            || next.starts_with("<-")
            || next.starts_with("in ")
            || behind('|') && next.starts_with(['|', ',']);
        let key = next.starts_with("=>")
            || behind(':') && self.language == "ruby"
            || self.language == "ruby"
                && self.rest.starts_with(':')
                && !self.rest.starts_with("::")
            || behind('{') && next.starts_with('}') && self.language == "perl"
            || behind('-') && word.len() == 1 && self.language == "perl";
        let method = behind('.') || behind('>') || behind(':');
        let own = defines || assigned && !self.is(&["perl", "php"]) && !method;
        self.names.push(Name { text: word, own, key, method });
        Ok(())
    }

    /// Perl's operators that quote by any character; whether this is one.
    fn quoting(&mut self, word: &str, next: &str) -> Result<bool, &'static str> {
        let parts = match word {
            "s" | "tr" | "y" => 2,
            "m" | "q" | "qq" | "qw" | "qr" => 1,
            _ => return Ok(false),
        };
        let Some(open) =
            next.chars().next().filter(|c| !(c.is_alphanumeric() || "=,;)".contains(*c)))
        else {
            return Ok(false);
        };
        let pair = |open: char| match open {
            '(' => Some(')'),
            '[' => Some(']'),
            '{' => Some('}'),
            '<' => Some('>'),
            _ => None,
        };
        if next.len() != self.rest.len() && open == '#' {
            return Ok(false);
        }
        self.rest = self.rest.trim_start();
        for part in 0..parts {
            // `s{a}{b}` opens twice, `s/a/b/` once.
            if part == 0 || pair(open).is_some() {
                self.rest = self.rest.trim_start();
                self.rest = self.rest.get(open.len_utf8()..).unwrap_or_default();
            }
            let begun = self.rest;
            self.until(pair(open).unwrap_or(open))?;
            let inner = begun.get(..begun.len() - self.rest.len()).unwrap_or_default();
            let nests = pair(open).is_some() && inner.contains(open);
            if nests || word != "q" && (inner.contains("@{") || inner.contains("${")) {
                return Err("puts code into a text");
            }
        }
        if !word.starts_with('q') || word == "qr" {
            self.flags()?;
        }
        self.before = '/';
        Ok(true)
    }
}
