//! Pages as a browser without scripts sees them, and forms as it sends them. The tests of handlers take this file, too
//! (`src/http/mod.rs`).

const BOUNDARY: &str = "----WebKitFormBoundary7MA4YWxkTrZu0gW";

/// What somebody puts into a field of a form.
#[derive(Clone, Copy)]
pub enum Field<'a> {
    Text(&'a str, &'a str),
    File(&'a str, &'a [u8]),
}

pub use Field::{File, Text};

pub fn content_type() -> String {
    format!("multipart/form-data; boundary={BOUNDARY}")
}

/// A form's body, as browsers write it.
pub fn body(fields: &[Field<'_>]) -> Vec<u8> {
    let mut body = Vec::new();
    for field in fields {
        let (head, value) = match field {
            Text(name, value) => (format!("name=\"{name}\""), value.as_bytes()),
            File(name, value) => {
                (format!("name=\"{name}\"; filename=\"x.txt\"\r\nContent-Type: text/plain"), *value)
            }
        };
        let head = format!("--{BOUNDARY}\r\nContent-Disposition: form-data; {head}\r\n\r\n");
        body.extend([head.as_bytes(), value, b"\r\n"].concat());
    }
    body.extend(format!("--{BOUNDARY}--\r\n").into_bytes());
    body
}

/// Fails for a page that is not in form: the one script is at `script`, and all links lead to addresses that begin with
/// `below`.
pub fn check(html: &str, script: &str, below: &str) {
    assert!(html.starts_with("<!DOCTYPE html>\n<html lang=\"") && html.trim_end().ends_with("</html>"));
    assert!(html.contains("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">"));
    assert_eq!(html.matches("<h1").count(), 1, "{html}");
    // Only what the page's own files say is carried out, and nothing is fetched from elsewhere.
    for tag in html.split("<script").skip(1) {
        assert!(tag.starts_with(&format!(" src=\"{script}\" defer></script>")), "{html}");
    }
    for tag in html.split('<').skip(1).filter_map(|tag| tag.split_once('>')).map(|(tag, _)| tag) {
        for unwanted in ["style", "iframe", "object", "img", "base"] {
            assert!(!tag.starts_with(unwanted), "{tag}");
        }
        // Every other part is a value, in which a quote is never itself.
        let names: String = tag.split('"').step_by(2).collect();
        assert!(!names.contains(" style=") && !names.contains(" on"), "{tag}");
        for (name, value) in tag.split("=\"").zip(tag.split("=\"").skip(1)) {
            if name.ends_with("href") || name.ends_with("src") || name.ends_with("action") {
                assert!(value.starts_with(below) || value == "#main\"", "{tag}");
            }
        }
        // Every field has a name that is read out.
        let is_field = ["input ", "textarea ", "select "].iter().any(|kind| tag.starts_with(kind));
        if let (true, Some((_, id))) = (is_field, tag.split_once(" id=\"")) {
            let id = id.split_once('"').unwrap().0;
            assert!(html.contains(&format!("<label for=\"{id}\">")), "{id} has no label");
        }
    }
}

/// The heading.
pub fn title(html: &str) -> String {
    let title = html.split_once("<h1").unwrap().1.split_once('>').unwrap().1;
    text(title.split_once("</h1>").unwrap().0)
}

/// What a person reads in the main part, in one line.
pub fn words(html: &str) -> String {
    text(html.split_once("<main").unwrap().1.split_once('>').unwrap().1)
}

/// The hidden fields of the form in the main part.
pub fn hidden(html: &str) -> Vec<(String, String)> {
    let main = html.split_once("<main").unwrap().1;
    let fields = main.split("<input type=\"hidden\" name=\"").skip(1);
    let fields = fields.map(|field| {
        let (name, rest) = field.split_once("\" value=\"").unwrap();
        (name.to_owned(), unescaped(rest.split_once('"').unwrap().0))
    });
    fields.collect()
}

/// What stands in a field.
pub fn field(html: &str, name: &str) -> String {
    let (_, field) = html.split_once(&format!(" name=\"{name}\"")).unwrap();
    let (tag, rest) = field.split_once('>').unwrap();
    match tag.split_once(" value=\"") {
        Some((_, value)) => unescaped(value.split_once('"').unwrap().0),
        // A line end right behind the tag is none of the text's.
        None => unescaped(rest.split_once("</textarea>").unwrap().0.strip_prefix('\n').unwrap()),
    }
}

fn text(html: &str) -> String {
    let mut text = String::new();
    for part in html.split('<') {
        text += part.split_once('>').map_or(part, |(_, text)| text);
        text.push(' ');
    }
    unescaped(&text).split_whitespace().collect::<Vec<_>>().join(" ")
}

pub fn unescaped(html: &str) -> String {
    let named = [("&#60;", "<"), ("&#62;", ">"), ("&#34;", "\""), ("&#39;", "'"), ("&#38;", "&")];
    named.iter().fold(html.to_owned(), |text, (name, character)| text.replace(name, character))
}
