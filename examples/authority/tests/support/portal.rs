//! The portal as a browser without JavaScript sees it: pages, and forms that are posted.

use super::{
    html::{self, Field, Text, body, content_type, unescaped},
    requests::WholeResponse,
    server::Authority,
};

/// The headers that browsers send along with a form of the page that they are on.
pub const OURS: [(&str, &str); 2] = [("Origin", "http://authority"), ("Sec-Fetch-Site", "same-origin")];

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
        html::check(&html, "/portal.js", "/");
        Self { status, head, html }
    }

    pub fn title(&self) -> String {
        html::title(&self.html)
    }

    /// What a person reads on it, in one line.
    pub fn words(&self) -> String {
        html::words(&self.html)
    }

    /// What stands in a field.
    pub fn field(&self, name: &str) -> String {
        html::field(&self.html, name)
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
        html::hidden(&self.html)
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
