//! The portal as a browser without JavaScript sees it: pages, and forms that are posted.

use super::{requests::WholeResponse, server::Authority};

const BOUNDARY: &str = "----WebKitFormBoundary7MA4YWxkTrZu0gW";

/// What somebody puts into a field of a form.
pub enum Field<'a> {
    Text(&'a str, &'a str),
    File(&'a str, &'a [u8]),
}

pub use Field::{File, Text};

/// The headers that browsers send along with a form of the page that they are on.
pub const OURS: [(&str, &str); 2] = [("Origin", "http://authority"), ("Sec-Fetch-Site", "same-origin")];

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

impl Authority {
    /// Fills in and sends a form of the portal.
    pub fn submit(&self, path: &str, fields: &[Field<'_>]) -> Page {
        Page::of(self.submit_raw(path, &OURS, &body(fields)))
    }

    pub fn submit_raw(&self, path: &str, headers: &[(&str, &str)], body: &[u8]) -> WholeResponse {
        let content_type = content_type();
        let headers = [&[("Content-Type", content_type.as_str())], headers].concat();
        self.ask("POST", path, &headers, body)
    }

    pub fn page(&self, path: &str) -> Page {
        Page::of(self.ask("GET", path, &[("Accept", "text/html")], b""))
    }

    /// Presses the button that asks for the document of a page, and returns the file with its name.
    pub fn download(&self, page: &Page) -> (String, String) {
        let parts = page.hidden();
        let fields: Vec<_> = parts.iter().map(|(name, value)| Text(name, value)).collect();
        let reply = self.submit_raw("/download", &OURS, &body(&fields));
        assert_eq!(reply.status, 200, "{}", reply.body);
        check_headers(&reply);
        assert!(reply.head.contains("content-type: text/plain; charset=utf-8"), "{}", reply.head);
        let name = reply.head.split_once("content-disposition: attachment; filename=\"").unwrap().1;
        (name.split_once('"').unwrap().0.to_owned(), reply.body)
    }
}

/// A page that is in form.
pub struct Page {
    pub status: u16,
    pub head: String,
    pub html: String,
}

impl Page {
    pub fn of(reply: WholeResponse) -> Self {
        check_headers(&reply);
        let WholeResponse { status, head, body: html } = reply;
        assert!(head.contains("content-type: text/html; charset=utf-8"), "{head}\n{html}");
        assert!(
            html.starts_with("<!DOCTYPE html>\n<html lang=\"en\">") && html.trim_end().ends_with("</html>")
        );
        assert!(html.contains("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">"));
        assert_eq!(html.matches("<h1").count(), 1, "{html}");
        // Only what the page's own files say is carried out, and nothing is fetched from elsewhere.
        for script in html.split("<script").skip(1) {
            assert!(script.starts_with(" src=\"/portal.js\" defer></script>"), "{html}");
        }
        for tag in html.split('<').skip(1).filter_map(|tag| tag.split_once('>')).map(|(tag, _)| tag) {
            for unwanted in ["style", "iframe", "object", "img", "base"] {
                assert!(!tag.starts_with(unwanted), "{tag}");
            }
            // Every other part is a value, in which a quote is never itself.
            let names: String = tag.split('"').step_by(2).collect();
            assert!(!names.contains(" style=") && !names.contains(" on"), "{tag}");
            for address in tag.split("=\"").zip(tag.split("=\"").skip(1)) {
                if address.0.ends_with("href") || address.0.ends_with("src") || address.0.ends_with("action")
                {
                    assert!(address.1.starts_with('/') || address.1 == "#main\"", "{tag}");
                }
            }
        }
        // Every field is labelled.
        for id in ["deactivation", "file", "request", "license_key", "text"] {
            if html.contains(&format!(" id=\"{id}\"")) {
                assert!(html.contains(&format!("<label for=\"{id}\">")), "{id}");
            }
        }
        Self { status, head, html }
    }

    pub fn title(&self) -> String {
        let title = self.html.split_once("<h1").unwrap().1.split_once('>').unwrap().1;
        text(title.split_once("</h1>").unwrap().0)
    }

    /// What a person reads on it, in one line.
    pub fn words(&self) -> String {
        text(self.html.split_once("<main").unwrap().1.split_once('>').unwrap().1)
    }

    /// What stands in a field.
    pub fn field(&self, name: &str) -> String {
        let (_, field) = self.html.split_once(&format!(" name=\"{name}\"")).unwrap();
        let (tag, rest) = field.split_once('>').unwrap();
        match tag.split_once(" value=\"") {
            Some((_, value)) => unescaped(value.split_once('"').unwrap().0),
            // A line end right behind the tag is none of the text's.
            None => unescaped(rest.split_once("</textarea>").unwrap().0.strip_prefix('\n').unwrap()),
        }
    }

    /// The marked symbols of a code, with the group and place of each.
    pub fn marks(&self) -> Vec<(usize, usize, String)> {
        let mut marks = Vec::new();
        for (group, symbols) in self.html.split("<span class=\"group\">").skip(1).enumerate() {
            let mut rest = symbols.split_once("</span>").unwrap().0;
            let mut place = 1;
            while let Some((before, after)) = rest.split_once("<mark>") {
                place += unescaped(before).chars().count();
                let (symbol, after) = after.split_once("</mark>").unwrap();
                marks.push((group + 1, place, unescaped(symbol)));
                (rest, place) = (after, place + 1);
            }
        }
        marks
    }

    /// The hidden fields of the form that asks for a document.
    pub fn hidden(&self) -> Vec<(String, String)> {
        let fields = self.html.split("<input type=\"hidden\" name=\"").skip(1);
        let fields = fields.map(|field| {
            let (name, rest) = field.split_once("\" value=\"").unwrap();
            (name.to_owned(), rest.split_once('"').unwrap().0.to_owned())
        });
        fields.collect()
    }
}

/// What every answer of the portal tells the browser.
pub fn check_headers(reply: &WholeResponse) {
    for header in [
        "content-security-policy: default-src 'none'; style-src 'self'; script-src 'self'; form-action 'self'; \
         base-uri 'none'; frame-ancestors 'none'",
        "x-content-type-options: nosniff",
        "referrer-policy: same-origin",
        "cache-control: no-store",
    ] {
        assert!(reply.head.contains(header), "{header}\n{}", reply.head);
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

fn unescaped(html: &str) -> String {
    let named = [("&#60;", "<"), ("&#62;", ">"), ("&#34;", "\""), ("&#39;", "'"), ("&#38;", "&")];
    named.iter().fold(html.to_owned(), |text, (name, character)| text.replace(name, character))
}
