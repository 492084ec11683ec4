//! The live page: a few files in the binary, asked for again with their tag.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};

/// One file.
#[derive(Debug)]
pub(super) struct File {
    pub(super) path: &'static str,
    kind: &'static str,
    bytes: &'static [u8],
}

pub(super) static FILES: [File; 16] = [
    File { path: "/", kind: "text/html; charset=utf-8", bytes: include_bytes!("page/index.html") },
    File { path: "/style.css", kind: "text/css; charset=utf-8", bytes: include_bytes!("page/style.css") },
    File { path: "/icon.svg", kind: "image/svg+xml", bytes: include_bytes!("page/icon.svg") },
    script("/app.js", include_bytes!("page/app.js")),
    script("/api.js", include_bytes!("page/api.js")),
    script("/chart.js", include_bytes!("page/chart.js")),
    script("/clients.js", include_bytes!("page/clients.js")),
    script("/dom.js", include_bytes!("page/dom.js")),
    script("/figures.js", include_bytes!("page/figures.js")),
    script("/inside.js", include_bytes!("page/inside.js")),
    script("/link.js", include_bytes!("page/link.js")),
    script("/messages.js", include_bytes!("page/messages.js")),
    script("/payload.js", include_bytes!("page/payload.js")),
    script("/talk.js", include_bytes!("page/talk.js")),
    script("/topics.js", include_bytes!("page/topics.js")),
    script("/words.js", include_bytes!("page/words.js")),
];

const fn script(path: &'static str, bytes: &'static [u8]) -> File {
    File { path, kind: "text/javascript; charset=utf-8", bytes }
}

/// The file, or that it has not changed since the peer got it.
pub(super) fn answer(file: &'static File, request: &Request) -> Response {
    let tag = tag(file);
    let known = request.headers().get_all(header::IF_NONE_MATCH);
    let is_known = known.iter().filter_map(|value| value.to_str().ok()).any(|tags| names(tags, &tag));
    let mut response = match is_known {
        true => StatusCode::NOT_MODIFIED.into_response(),
        false => Body::from(file.bytes).into_response(),
    };
    let headers = response.headers_mut();
    if !is_known {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(file.kind));
    }
    // To be kept, and asked for again each time: another version may run by then.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(header::ETAG, HeaderValue::from_str(&tag).expect("digits between quotes"));
    response
}

/// Another one for other bytes.
fn tag(file: &File) -> String {
    let mut hasher = DefaultHasher::new();
    file.bytes.hash(&mut hasher);
    format!("\"{:016x}\"", hasher.finish())
}

/// Whether a list of tags has this one.
fn names(tags: &str, tag: &str) -> bool {
    let mut tags = tags.split(',').map(str::trim);
    tags.any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scripts are asked for together with the page, not one after the other as they name each other.
    #[test]
    fn the_page_names_every_script() {
        let page = str::from_utf8(FILES.first().expect("the page").bytes).unwrap();
        let scripts = FILES.iter().filter(|file| file.kind.starts_with("text/javascript"));
        // That of the worker, which cannot be asked for beforehand.
        for file in scripts.filter(|file| file.path != "/link.js") {
            assert!(page.contains(&format!("\"{}\"", file.path)), "{}", file.path);
        }
    }

    #[test]
    fn the_page_is_small() {
        let bytes: usize = FILES.iter().map(|file| file.bytes.len()).sum();
        assert!(bytes <= 100 * 1024, "{bytes} bytes");
    }

    #[test]
    fn a_tag_is_found_in_what_browsers_send() {
        for (tags, expected) in [
            ("\"a\"", true),
            ("W/\"a\"", true),
            ("\"b\", \"a\"", true),
            ("*", true),
            ("\"b\"", false),
            ("a", false),
            ("", false),
        ] {
            assert_eq!(names(tags, "\"a\""), expected, "{tags}");
        }
    }
}
