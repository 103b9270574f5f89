//! Stored readings from a service that lists them page by page.
//!
//! NDJSON; a page's `Link: <…>; rel="next"` leads to the next one (RFC 8288).

use std::time::Duration;

use crate::attack::{self, AttackError, Options, Stop};
use crate::pacer::Pacer;
use crate::results::{HeaderMap, Record};
use crate::targets::{Header, HttpUrl, Target, UrlError};

/// The longest page that is read.
const PAGE_BYTES_MAX: usize = 256 << 20;

/// Why a page cannot be had. Each names it.
#[derive(Debug, thiserror::Error)]
pub enum PageError {
    /// It could not be asked for.
    #[error("cannot get `{url}`")]
    Ask {
        /// Which.
        url: String,
        /// Why.
        source: AttackError,
    },
    /// No answer.
    #[error("cannot get `{url}`: {reason}")]
    Unanswered {
        /// Which.
        url: String,
        /// As a result tells it.
        reason: String,
    },
    /// Another answer.
    #[error("cannot get `{url}`: expected 200 with readings as NDJSON, found {found}")]
    Unexpected {
        /// Which.
        url: String,
        /// What came.
        found: String,
    },
    /// It leads nowhere.
    #[error("`{url}`: cannot follow its link to the next page, `{link}`: {reason}")]
    Link {
        /// Which.
        url: String,
        /// As it was written.
        link: String,
        /// Why.
        reason: String,
    },
}

/// Hands on the body of each page, from this one on.
///
/// # Errors
///
/// See [`PageError`]; and what `each` returns.
pub fn for_each<E: From<PageError>>(
    first: &HttpUrl,
    mut each: impl FnMut(&HttpUrl, &[u8]) -> Result<(), E>,
) -> Result<(), E> {
    let mut url = first.clone();
    loop {
        let page = get(&url)?;
        each(&url, page.body.as_deref().unwrap_or_default())?;
        match next(&url, page.headers.as_ref())? {
            Some(next) => url = next,
            None => return Ok(()),
        }
    }
}

fn get(url: &HttpUrl) -> Result<Record, PageError> {
    let name = || url.as_str().to_owned();
    let unexpected = |found: String| PageError::Unexpected { url: name(), found };
    let accept = Header::new("Accept", "application/x-ndjson").expect("it is a header");
    let target =
        Target { method: "GET".into(), url: url.clone(), headers: vec![accept], body: [].into() };
    // One request, at once.
    let rate = "1000".parse().expect("it is a rate");
    let pacer = Pacer::new(rate, Some(Duration::from_millis(1))).expect("it is a plan");
    let options = Options { body_max: Some(PAGE_BYTES_MAX), ..Options::default() };
    let mut page = Record::default();
    attack::run(vec![target], pacer, &options, &Stop::new(), |record| page = record.clone())
        .map_err(|source| PageError::Ask { url: name(), source })?;
    if page.code == 0 {
        return Err(PageError::Unanswered { url: name(), reason: page.error });
    }
    let content_type = header(page.headers.as_ref(), "content-type").unwrap_or_default();
    if page.code != 200 {
        let body = page.body.as_deref().unwrap_or_default();
        let body = String::from_utf8_lossy(&body[..body.len().min(200)]).into_owned();
        return Err(unexpected(format!("{} `{}`", page.code, body.trim_end())));
    }
    if !content_type.contains("ndjson") {
        return Err(unexpected(format!("`Content-Type: {content_type}`")));
    }
    if page.bytes_in > PAGE_BYTES_MAX as u64 {
        return Err(unexpected(format!(
            "{} bytes; at most {PAGE_BYTES_MAX} are read",
            page.bytes_in
        )));
    }
    Ok(page)
}

fn header<'a>(headers: Option<&'a HeaderMap>, name: &str) -> Option<&'a str> {
    let (_, values) = headers?.iter().find(|(key, _)| key.eq_ignore_ascii_case(name))?;
    values.first().map(String::as_str)
}

/// Where the page's link to the next one leads.
fn next(url: &HttpUrl, headers: Option<&HeaderMap>) -> Result<Option<HttpUrl>, PageError> {
    let Some(link) = header(headers, "link").and_then(next_link) else {
        return Ok(None);
    };
    let wrong = |reason: String| PageError::Link {
        url: url.as_str().to_owned(),
        link: link.to_owned(),
        reason,
    };
    let text = url.as_str();
    let origin_end = text.find("://").map_or(0, |at| at + "://".len() + url.authority().len());
    let path_end = text[origin_end..].find(['?', '#']).map_or(text.len(), |at| origin_end + at);
    let absolute = if link.starts_with('/') && !link.starts_with("//") {
        format!("{}{link}", &text[..origin_end])
    } else if link.starts_with('?') {
        format!("{}{link}", &text[..path_end])
    } else {
        link.to_owned()
    };
    let next: HttpUrl = absolute.parse().map_err(|error: UrlError| wrong(error.to_string()))?;
    if next == *url {
        return Err(wrong("it is this page again".to_owned()));
    }
    Ok(Some(next))
}

/// The target of the link whose relation is `next`.
fn next_link(links: &str) -> Option<&str> {
    let mut rest = links;
    loop {
        let (_, after) = rest.split_once('<')?;
        let (target, after) = after.split_once('>')?;
        let end = after.find(",<").or_else(|| after.find(", <")).unwrap_or(after.len());
        let (parameters, after) = after.split_at(end);
        let is_next = parameters.split(';').filter_map(|it| it.trim().split_once('=')).any(
            |(name, value)| {
                name.trim().eq_ignore_ascii_case("rel")
                    && value.trim().trim_matches('"').split(' ').any(|rel| rel == "next")
            },
        );
        if is_next {
            return Some(target);
        }
        rest = after;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_link_to_the_next_page_is_followed() {
        for (link, found) in [
            (None, Ok(None)),
            (Some("</r?cursor=2>; rel=\"next\""), Ok(Some("http://a:1/r?cursor=2"))),
            (Some("<?cursor=2>; rel=next"), Ok(Some("http://a:1/r?cursor=2"))),
            (Some("<http://b/r>; title=x; rel=\"last next\""), Ok(Some("http://b/r"))),
            (Some("</p>; rel=\"prev\", </n,1>; rel=\"next\""), Ok(Some("http://a:1/n,1"))),
            (Some("</p>; rel=\"prev\""), Ok(None)),
            (Some("nonsense"), Ok(None)),
            (
                Some("<r>; rel=next"),
                Err(
                    "`http://a:1/r?limit=1`: cannot follow its link to the next page, `r`: expected a URL that begins with http:// or https://, found `r`",
                ),
            ),
            (
                Some("<?limit=1>; rel=next"),
                Err(
                    "`http://a:1/r?limit=1`: cannot follow its link to the next page, `?limit=1`: it is this page again",
                ),
            ),
        ] {
            let headers =
                link.map(|link| HeaderMap::from([("Link".to_owned(), vec![link.to_owned()])]));
            let next = next(&"http://a:1/r?limit=1".parse().unwrap(), headers.as_ref());
            let next = next.map_err(|error| error.to_string());
            let next = next.as_ref().map(|url| url.as_ref().map(HttpUrl::as_str));
            assert_eq!(next.map_err(String::as_str), found, "{link:?}");
        }
    }
}
