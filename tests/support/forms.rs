//! The forms that mail programs, phones and editors give to the text of a message.
//!
//! Each form is made from the text as the library writes it. [`TAKEN`] are read all the same; [`REFUSED`] have lost
//! something that no reader can give back, each with the reason.

/// A form: its name, and what it makes of a message's text.
pub type Form = (&'static str, fn(&str) -> Vec<u8>);

/// A form that is refused, and why.
pub type Lost = (&'static str, fn(&str) -> Vec<u8>, &'static str);

fn bytes(text: impl Into<String>) -> Vec<u8> {
    text.into().into_bytes()
}

/// Each line with something in front of it.
fn prefixed(text: &str, prefix: &str) -> String {
    text.lines().map(|line| format!("{prefix}{line}\n")).collect()
}

/// Each line with something in front of it and behind it.
fn around(text: &str, before: &str, after: &str) -> String {
    text.lines().map(|line| format!("{before}{line}{after}\n")).collect()
}

fn joined(text: &str, with: &str) -> String {
    text.lines().filter(|line| !line.is_empty()).collect::<Vec<_>>().join(with)
}

/// Lines end differently.
fn ending(text: &str, end: &str) -> Vec<u8> {
    bytes(text.replace('\n', end))
}

/// All words in lines of about that many columns; what is longer is cut.
fn wrapped(text: &str, columns: usize) -> String {
    let mut wrapped = String::new();
    for line in text.lines() {
        let characters: Vec<char> = line.chars().collect();
        for part in characters.chunks(columns) {
            wrapped.extend(part);
            wrapped.push('\n');
        }
        if characters.is_empty() {
            wrapped.push('\n');
        }
    }
    wrapped
}

/// The dashes around BEGIN and END are others.
fn dashes(text: &str, dashes: &str) -> Vec<u8> {
    bytes(text.replace("-----", dashes))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// The middle of a page, in UTF-8.
fn page(body: &str) -> Vec<u8> {
    bytes(format!(
        "<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\"><style>p {{ color: #333 }}</style></head>\n<body>{body}</body></html>\n"
    ))
}

/// RFC 2045, lines of at most 76.
fn quoted_printable(text: &str, is_escaped: fn(u8) -> bool) -> String {
    let mut quoted = String::new();
    for line in text.lines() {
        let mut column = 0;
        for byte in line.bytes() {
            let part = match byte == b'=' || is_no_ascii(byte) || is_escaped(byte) {
                true => format!("={byte:02X}"),
                false => char::from(byte).to_string(),
            };
            if column + part.len() > 75 {
                quoted.push_str("=\r\n");
                column = 0;
            }
            column += part.len();
            quoted.push_str(&part);
        }
        quoted.push_str("\r\n");
    }
    quoted
}

fn is_no_ascii(byte: u8) -> bool {
    !(32..127).contains(&byte)
}

fn utf16(text: &str, mark: bool, unit: fn(u16) -> [u8; 2]) -> Vec<u8> {
    let mark = mark.then_some(0xFEFF);
    mark.into_iter().chain(text.encode_utf16()).flat_map(unit).collect()
}

/// What Windows-1252 has of a text; the rest is a question mark.
fn windows_1252(text: &str) -> Vec<u8> {
    let byte = |c: char| match c {
        '\u{2013}' => 0x96,
        '\u{2014}' => 0x97,
        '\u{2018}' => 0x91,
        '\u{2019}' => 0x92,
        '\u{201C}' => 0x93,
        '\u{201D}' => 0x94,
        '\u{20AC}' => 0x80,
        c => u8::try_from(u32::from(c)).unwrap_or(b'?'),
    };
    text.chars().map(byte).collect()
}

/// Something between every so many characters of each line.
fn strewn(text: &str, every: usize, mark: &str) -> Vec<u8> {
    let mut strewn = String::new();
    for line in text.lines() {
        for (place, character) in line.chars().enumerate() {
            if place > 0 && place % every == 0 {
                strewn.push_str(mark);
            }
            strewn.push(character);
        }
        strewn.push('\n');
    }
    bytes(strewn)
}

/// The base64 of a block alone.
fn base64(text: &str) -> String {
    let lines = text.lines().skip_while(|line| !line.is_empty()).skip(1);
    lines.take_while(|line| !line.starts_with('-')).collect()
}

fn base64url(text: &str) -> String {
    base64(text).replace('+', "-").replace('/', "_").trim_end_matches('=').to_owned()
}

fn lines(text: &str, width: usize) -> String {
    text.as_bytes().chunks(width).map(|line| format!("{}\n", String::from_utf8_lossy(line))).collect()
}

/// The lines of the base64 changed, each with its number from 0.
fn body(text: &str, mut change: impl FnMut(usize, &str) -> String) -> String {
    let (mut is_body, mut number) = (false, 0);
    let mut changed = String::new();
    for line in text.lines() {
        if is_body && !line.starts_with('-') {
            changed.push_str(&change(number, line));
            number += 1;
        } else {
            changed.push_str(line);
        }
        is_body |= line.is_empty();
        changed.push('\n');
    }
    changed
}

fn headers(text: &str, change: impl Fn(&str) -> String) -> String {
    text.lines().map(|line| if line.contains(": ") { change(line) } else { line.to_owned() } + "\n").collect()
}

const GREETING: &str = "Dear customer,\n\nhere is what you asked for: everything from BEGIN NODELOCK to END NODELOCK, \
                        including these lines.\n\n";
const SIGNATURE: &str = "\n-- \nJane Doe | Example Ltd. | +49 30 1234567 | https://example.com/#contact\n";

pub const TAKEN: &[Form] = &[
    ("as it is written", |t| bytes(t)),
    // Line ends.
    ("CRLF", |t| ending(t, "\r\n")),
    ("CR", |t| ending(t, "\r")),
    ("U+2028", |t| ending(t, "\u{2028}")),
    ("U+2029", |t| ending(t, "\u{2029}")),
    ("U+0085", |t| ending(t, "\u{85}")),
    ("vertical tabs", |t| ending(t, "\u{b}")),
    ("form feeds", |t| ending(t, "\u{c}")),
    ("CR CR LF", |t| ending(t, "\r\r\n")),
    ("LF CR", |t| ending(t, "\n\r")),
    ("empty lines between all lines", |t| ending(t, "\n\n")),
    ("three empty lines between all lines", |t| ending(t, "\n\n\n\n")),
    ("no line end at the end", |t| bytes(t.trim_end())),
    // White space.
    ("spaces at the ends of lines", |t| bytes(around(t, "", "   "))),
    ("format=flowed", |t| ending(t, " \r\n")),
    ("indented by spaces", |t| bytes(prefixed(t, "    "))),
    ("indented by a tab", |t| bytes(prefixed(t, "\t"))),
    ("indented by NBSP", |t| bytes(prefixed(t, "\u{a0}\u{a0}"))),
    ("indented by wide spaces", |t| bytes(prefixed(t, "\u{3000}\u{2003}"))),
    ("NBSP for every space", |t| bytes(t.replace(' ', "\u{a0}"))),
    ("narrow NBSP for every space", |t| bytes(t.replace(' ', "\u{202f}"))),
    ("tabs for spaces", |t| bytes(t.replace(' ', "\t"))),
    ("doubled spaces", |t| bytes(t.replace(' ', "  "))),
    ("spaces collapsed", |t| bytes(t.split_whitespace().collect::<Vec<_>>().join(" "))),
    ("no spaces in the labels", |t| bytes(t.replace("NODELOCK ", "NODELOCK"))),
    // Joined and wrapped.
    ("one line", |t| bytes(joined(t, " "))),
    ("one line with tabs", |t| bytes(joined(t, "\t"))),
    ("one line without spaces", |t| bytes(joined(t, ""))),
    ("one line, twice as far", |t| bytes(joined(t, "    "))),
    ("wrapped at 40", |t| bytes(wrapped(t, 40))),
    ("wrapped at 30", |t| bytes(wrapped(t, 30))),
    ("wrapped at 17", |t| bytes(wrapped(t, 17))),
    ("joined, then wrapped at 72", |t| bytes(wrapped(&joined(t, " "), 72))),
    ("joined, then wrapped at 76, quoted", |t| bytes(prefixed(&wrapped(&joined(t, " "), 76), "> "))),
    ("quoted, then joined", |t| bytes(joined(&prefixed(t, "> "), " "))),
    ("no empty line behind the headers", |t| bytes(t.replacen("\n\n", "\n", 1))),
    ("an empty line before the headers", |t| bytes(t.replacen("-----\n", "-----\n\n", 1))),
    ("no headers", |t| bytes(headers(t, |_| String::new()))),
    ("headers folded", |t| bytes(headers(t, |h| h.replacen(' ', "\n  ", 2)))),
    ("headers in capitals", |t| bytes(headers(t, |h| h.to_uppercase()))),
    ("headers in bold", |t| bytes(headers(t, |h| format!("**{}", h.replacen(':', ":**", 1))))),
    // Quoted and marked.
    ("quoted", |t| bytes(prefixed(t, "> "))),
    ("quoted without space", |t| bytes(prefixed(t, ">"))),
    ("quoted twice", |t| bytes(prefixed(t, "> > "))),
    ("quoted thrice", |t| bytes(prefixed(t, ">>> "))),
    ("quoted by bars", |t| bytes(prefixed(t, "| "))),
    ("quoted by drawn bars", |t| bytes(prefixed(t, "\u{2502} "))),
    ("quoted and indented", |t| bytes(prefixed(t, "  > \t"))),
    ("a list with stars", |t| bytes(prefixed(t, "* "))),
    ("a list with dots", |t| bytes(prefixed(t, "\u{2022} "))),
    ("a list with dashes", |t| bytes(prefixed(t, "- "))),
    ("commented out by #", |t| bytes(prefixed(t, "# "))),
    ("dashes escaped as OpenPGP does", |t| {
        bytes(t.replace("-----B", "- -----B").replace("-----E", "- -----E"))
    }),
    ("a code block", |t| bytes(format!("```\n{t}```\n"))),
    ("a code block of a language", |t| bytes(format!("~~~text\n{t}~~~\n"))),
    ("each line as code", |t| bytes(around(t, "`", "`"))),
    ("bold", |t| bytes(format!("**{}**", t.trim_end()))),
    ("italic", |t| bytes(format!("_{}_", t.trim_end()))),
    ("each line bold", |t| bytes(around(t, "*", "*"))),
    ("in quotes", |t| bytes(format!("\"{}\"", t.trim_end()))),
    ("in smart quotes", |t| bytes(format!("\u{201c}{}\u{201d}", t.trim_end()))),
    ("in guillemets", |t| bytes(format!("\u{ab}\u{a0}{}\u{a0}\u{bb}", t.trim_end()))),
    ("in brackets", |t| bytes(format!("[{}]", t.trim_end()))),
    ("each line in quotes", |t| bytes(around(t, "\"", "\","))),
    ("a string of JSON", |t| bytes(format!("{:?}", t))),
    ("a column of a spreadsheet", |t| bytes(around(t, "", "\t\t;"))),
    // Characters that nobody sees.
    ("zero-width spaces", |t| strewn(t, 10, "\u{200b}")),
    ("zero-width joiners", |t| strewn(t, 7, "\u{200d}")),
    ("word joiners", |t| strewn(t, 1, "\u{2060}")),
    ("soft hyphens", |t| strewn(t, 16, "\u{ad}")),
    ("byte order marks inside", |t| strewn(t, 25, "\u{feff}")),
    ("left-to-right marks", |t| bytes(prefixed(t, "\u{200e}"))),
    ("right-to-left marks", |t| bytes(around(t, "\u{200f}", "\u{200f}"))),
    ("direction embedded", |t| bytes(format!("\u{202a}{t}\u{202c}"))),
    ("direction isolated", |t| bytes(around(t, "\u{2068}", "\u{2069}"))),
    ("full-width", |t| {
        let wide =
            |c: char| if c.is_ascii_graphic() { char::from_u32(c as u32 + 0xFEE0).unwrap() } else { c };
        bytes(t.chars().map(wide).collect::<String>())
    }),
    // Dashes and quotes.
    ("em dashes", |t| dashes(t, "\u{2014}\u{2014}-")),
    ("en dashes", |t| dashes(t, "\u{2013}\u{2013}\u{2013}")),
    ("one em dash", |t| dashes(t, "\u{2014}")),
    ("horizontal bars", |t| dashes(t, "\u{2015}\u{2015}")),
    ("minus signs", |t| dashes(t, "\u{2212}\u{2212}\u{2212}\u{2212}\u{2212}")),
    ("non-breaking hyphens", |t| dashes(t, "\u{2011}\u{2011}\u{2011}\u{2011}\u{2011}")),
    ("four dashes", |t| dashes(t, "----")),
    ("three dashes", |t| dashes(t, "---")),
    ("two dashes", |t| dashes(t, "--")),
    ("one dash", |t| dashes(t, "-")),
    ("no dashes", |t| dashes(t, "")),
    ("six dashes", |t| dashes(t, "------")),
    ("forty dashes", |t| dashes(t, &"-".repeat(40))),
    ("spaced dashes", |t| dashes(t, "- - - - -")),
    ("dashes and spaces", |t| bytes(t.replace("-----B", "----- B").replace("-----E", "----- E"))),
    ("dashes as equal signs", |t| dashes(t, "=====")),
    ("dashes as stars", |t| dashes(t, "*****")),
    ("no dashes, one line", |t| bytes(joined(&t.replace("-----", ""), " "))),
    ("em dashes, one line", |t| bytes(joined(&t.replace("-----", "\u{2014}"), " "))),
    ("labels in title case", |t| {
        bytes(t.replace("BEGIN NODELOCK", "Begin Nodelock").replace("END NODELOCK", "End Nodelock"))
    }),
    ("labels in lower case", |t| {
        bytes(t.replace("BEGIN NODELOCK", "begin nodelock").replace("END NODELOCK", "end nodelock"))
    }),
    ("smart quotes in headers", |t| bytes(t.replace('"', "\u{201d}").replace('\'', "\u{2019}"))),
    ("smart dashes in headers", |t| bytes(headers(t, |h| h.replace('-', "\u{2013}")))),
    // HTML.
    ("escaped", |t| bytes(escaped(t))),
    ("escaped twice", |t| bytes(escaped(&escaped(t)))),
    ("escaped and quoted", |t| bytes(prefixed(&escaped(t), "&gt; "))),
    ("numbered entities", |t| bytes(t.replace('+', "&#43;").replace('/', "&#x2F;").replace('=', "&#61;"))),
    ("named entities", |t| bytes(t.replace('+', "&plus;").replace('/', "&sol;").replace('=', "&equals;"))),
    ("NBSP entities", |t| bytes(escaped(t).replace(' ', "&nbsp;"))),
    ("pre", |t| page(&format!("<pre>{}</pre>", escaped(t)))),
    ("a line break each", |t| page(&escaped(t).replace('\n', "<br>"))),
    ("a line break each, XHTML", |t| page(&escaped(t).replace('\n', "<br />\n"))),
    ("a paragraph each", |t| page(&around(&escaped(t), "<p style=\"color: #000\">", "</p>"))),
    ("a div each", |t| page(&around(&escaped(t), "<div dir=\"ltr\">", "</div>"))),
    ("a div each, one line", |t| page(&around(&escaped(t), "<div>", "</div>").replace('\n', ""))),
    ("a span each", |t| page(&around(&escaped(t), "<span class='c1'>", "</span><br>"))),
    ("a blockquote", |t| {
        page(&format!("<blockquote type=\"cite\">{}</blockquote>", escaped(t).replace('\n', "<br>\n")))
    }),
    ("word breaks", |t| strewn(t, 20, "<wbr>")),
    ("word break entities", |t| strewn(t, 20, "&#8203;")),
    ("a table", |t| page(&format!("<table>{}</table>", around(&escaped(t), "<tr><td>", "</td></tr>")))),
    ("a comment before", |t| page(&format!("<!-- begin --><pre>{}</pre>", escaped(t)))),
    ("dash entities", |t| dashes(t, "&mdash;&ndash;")),
    // Links.
    ("an address in angle brackets", |t| bytes(headers(t, |h| format!("{h} <http://example.com/?a=b>")))),
    ("a link of mark-down", |t| bytes(t.replacen("NODELOCK", "[NODELOCK](http://nodelock.example)", 1))),
    ("a link of HTML", |t| {
        page(
            &escaped(t)
                .replace("Product: ", "Product: <a href=\"http://example.com/#x\">")
                .replace('\n', "</a><br>"),
        )
    }),
    ("digits as a telephone link", |t| strewn(t, 30, "<tel:+491234567>")),
    // Encodings of mail and the web.
    ("quoted-printable", |t| bytes(quoted_printable(t, is_no_ascii))),
    ("quoted-printable, every letter", |t| bytes(quoted_printable(t, |_| true))),
    ("quoted-printable, slashes and plus", |t| bytes(quoted_printable(t, |b| b"+/-".contains(&b)))),
    ("quoted-printable, then quoted", |t| bytes(prefixed(&quoted_printable(t, is_no_ascii), "> "))),
    ("quoted, then quoted-printable", |t| bytes(quoted_printable(&prefixed(t, "> "), is_no_ascii))),
    ("quoted-printable, one line", |t| bytes(quoted_printable(&joined(t, " "), is_no_ascii))),
    ("quoted-printable, lower case", |t| bytes(quoted_printable(t, is_no_ascii).replace("=3D", "=3d"))),
    ("quoted-printable HTML", |t| {
        bytes(quoted_printable(&around(&escaped(t), "<p class=\"x\">", "</p>"), is_no_ascii))
    }),
    ("=3D alone", |t| bytes(t.replace('=', "=3D"))),
    ("percent-encoded", |t| {
        bytes(
            t.replace('%', "%25")
                .replace('\n', "%0A")
                .replace('+', "%2B")
                .replace('/', "%2F")
                .replace('=', "%3D"),
        )
    }),
    ("a whole mail", |t| {
        bytes(format!(
            "From: Jane <jane@example.com>\nContent-Type: multipart/alternative; boundary=\"=_b1\"\n\n--=_b1\n\
             Content-Type: text/plain\nContent-Transfer-Encoding: quoted-printable\n\n{}--=_b1\nContent-Type: \
             text/html\n\n<pre>{}</pre>\n--=_b1--\n",
            quoted_printable(t, is_no_ascii),
            escaped(t)
        ))
    }),
    // Character sets.
    ("a byte order mark", |t| bytes(format!("\u{feff}{t}"))),
    ("UTF-16, little-endian, marked", |t| utf16(t, true, u16::to_le_bytes)),
    ("UTF-16, big-endian, marked", |t| utf16(t, true, u16::to_be_bytes)),
    ("UTF-16, little-endian", |t| utf16(t, false, u16::to_le_bytes)),
    ("UTF-16, big-endian", |t| utf16(t, false, u16::to_be_bytes)),
    ("UTF-16, CRLF", |t| utf16(&t.replace('\n', "\r\n"), true, u16::to_le_bytes)),
    ("Windows-1252 around", |t| {
        [
            &windows_1252("Sehr geehrte Frau Müller \u{2013} für \u{20ac} 99\n")[..],
            t.as_bytes(),
            &[0x93, 0xfc, 0x94],
        ]
        .concat()
    }),
    ("Windows-1252", |t| windows_1252(t)),
    ("Windows-1252 with its dashes", |t| windows_1252(&t.replace("-----", "\u{2014}"))),
    ("read as Windows-1252, written as UTF-8", |t| bytes(t.bytes().map(char::from).collect::<String>())),
    // What stands around.
    ("words around", |t| bytes(format!("{GREETING}{t}{SIGNATURE}"))),
    ("words around, quoted", |t| bytes(prefixed(&format!("{GREETING}{t}{SIGNATURE}"), "> "))),
    ("words around, one line", |t| bytes(format!("{GREETING}{}{SIGNATURE}", joined(t, " ")))),
    ("words on the same lines", |t| bytes(format!("License: {} Thank you!\n", t.trim_end()))),
    ("instructions before", |t| {
        bytes(format!(
            "Copy all from -----BEGIN NODELOCK LICENSE----- to -----END NODELOCK LICENSE-----, please.\n\n{t}"
        ))
    }),
    ("twice", |t| bytes(format!("{t}\n{t}"))),
    ("twice, once quoted", |t| bytes(format!("{t}\n{}", prefixed(t, "> ")))),
    ("begins with NL", |t| bytes(format!("NL: hier is de tekst.\n{t}"))),
    // Other forms of the same bytes.
    ("no padding", |t| bytes(body(t, |_, line| line.replace('=', "")))),
    ("more padding", |t| bytes(body(t, |_, line| line.to_owned()).replace("\n-----END", "==\n-----END"))),
    ("lines of 76", |t| bytes(t.replace(&body_lines(t), &lines(&base64(t), 76)))),
    ("one line of base64", |t| bytes(t.replace(&body_lines(t), &format!("{}\n", base64(t))))),
    ("base64url", |t| bytes(base64url(t))),
    ("base64url with a line end", |t| bytes(format!("  {}\r\n", base64url(t)))),
    ("base64url, wrapped", |t| bytes(lines(&base64url(t), 60))),
    ("base64url, quoted", |t| bytes(prefixed(&lines(&base64url(t), 60), "> "))),
    ("base64url, bold", |t| bytes(format!("**{}**", base64url(t)))),
    ("base64url, in words", |t| bytes(format!("Here it is:\n\n{}\n\nRegards, Jane\n", base64url(t)))),
    ("base64url, a line of words behind", |t| bytes(format!("{}\nRegards\n", base64url(t)))),
    ("base64url, UTF-16", |t| utf16(&base64url(t), true, u16::to_le_bytes)),
    ("base64 as one line", |t| bytes(base64(t))),
    ("base64 as one line, in words", |t| bytes(format!("Code: {}, thank you", base64(t)))),
    ("base64, wrapped, without a block", |t| bytes(lines(&base64(t), 64))),
    ("a link", |t| bytes(format!("https://example.com/r#{}", base64url(t)))),
    ("a link in words", |t| bytes(format!("Open https://example.com/r#{} please.\n", base64url(t)))),
    ("a link in angle brackets", |t| bytes(format!("<https://example.com/r#{}>\n", base64url(t)))),
    ("a link of HTML to click", |t| {
        let link = format!("https://example.com/r#{}", base64url(t));
        page(&format!("<a href=\"{link}\">{link}</a>"))
    }),
];

fn body_lines(text: &str) -> String {
    lines(&base64(text), 64)
}

pub const REFUSED: &[Lost] = &[
    ("no END line", |t| bytes(&t[..t.find("-----END").unwrap()]), "nobody knows whether the rest is there"),
    (
        "the last line lost",
        |t| {
            let count = base64(t).len().div_ceil(64);
            bytes(body(t, |n, line| if n + 1 == count { String::new() } else { line.to_owned() }))
        },
        "symbols are lost",
    ),
    (
        "the second line lost",
        |t| bytes(body(t, |n, l| if n == 1 { String::new() } else { l.to_owned() })),
        "symbols are lost",
    ),
    (
        "two lines swapped",
        |t| {
            let encoded = base64(t);
            let (first, second) =
                (encoded[..64].to_owned(), encoded[64..].chars().take(64).collect::<String>());
            bytes(body(t, |n, line| match n {
                0 => second.clone(),
                1 => first.clone(),
                _ => line.to_owned(),
            }))
        },
        "the order of the symbols says something",
    ),
    (
        "a symbol lost",
        |t| bytes(body(t, |n, l| if n == 1 { l[1..].to_owned() } else { l.to_owned() })),
        "symbols are lost",
    ),
    (
        "a symbol doubled",
        |t| bytes(body(t, |n, l| if n == 1 { format!("{}{l}", &l[..1]) } else { l.to_owned() })),
        "it is a symbol more",
    ),
    (
        "a symbol unreadable",
        |t| bytes(body(t, |n, l| if n == 1 { format!("?{}", &l[1..]) } else { l.to_owned() })),
        "symbols are lost",
    ),
    (
        "a symbol as an accented letter",
        |t| bytes(body(t, |n, l| if n == 1 { format!("\u{e9}{}", &l[1..]) } else { l.to_owned() })),
        "symbols are lost",
    ),
    ("lower case", |t| bytes(t.to_lowercase()), "upper and lower case are different symbols"),
    ("upper case", |t| bytes(t.to_uppercase()), "upper and lower case are different symbols"),
    ("quoted with initials", |t| bytes(prefixed(t, "JD> ")), "the initials are symbols too"),
    (
        "numbered lines",
        |t| bytes(t.lines().enumerate().map(|(n, l)| format!("{n} {l}\n")).collect::<String>()),
        "the numbers are symbols too",
    ),
    ("a word in every line", |t| bytes(around(t, "", " x")), "the words are symbols too"),
    (
        "RTF",
        |t| bytes(format!("{{\\rtf1\\ansi {}}}", t.replace('\n', "\\par\n"))),
        "its commands are symbols too",
    ),
    (
        "ROT13",
        |t| {
            let turned = |c: char| match c {
                'A'..='M' | 'a'..='m' => char::from(c as u8 + 13),
                'N'..='Z' | 'n'..='z' => char::from(c as u8 - 13),
                c => c,
            };
            bytes(t.chars().map(turned).collect::<String>())
        },
        "the symbols are others",
    ),
    ("backwards", |t| bytes(t.chars().rev().collect::<String>()), "the order of the symbols says something"),
    (
        "a mail in base64",
        |t| {
            let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
            let group = |three: &[u8]| {
                let bits = three.iter().fold(0, |bits, byte| bits << 8 | usize::from(*byte));
                [18, 12, 6, 0].map(|shift| alphabet[bits >> shift & 63])
            };
            t.as_bytes().chunks_exact(3).flat_map(group).collect()
        },
        "a mail program takes that off",
    ),
    ("cut after half", |t| bytes(&t[..floor(t, t.len() / 2)]), "symbols are lost"),
    ("cut before half", |t| bytes(&t[floor(t, t.len() / 2)..]), "symbols are lost"),
    (
        "an ellipsis in the middle",
        |t| bytes(body(t, |n, l| if n == 1 { "...".to_owned() } else { l.to_owned() })),
        "symbols are lost",
    ),
    (
        "an END line in the middle",
        |t| bytes(body(t, |n, l| if n == 1 { format!("-----END NODELOCK-----\n{l}") } else { l.to_owned() })),
        "nobody knows which end is the right one",
    ),
];

fn floor(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}
