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

pub(super) static FILES: [File; 4] = [
    File { path: "/", kind: "text/html; charset=utf-8", bytes: include_bytes!("page/index.html") },
    File { path: "/style.css", kind: "text/css; charset=utf-8", bytes: include_bytes!("page/style.css") },
    File { path: "/app.js", kind: "text/javascript; charset=utf-8", bytes: include_bytes!("page/app.js") },
    File { path: "/icon.svg", kind: "image/svg+xml", bytes: include_bytes!("page/icon.svg") },
];

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
