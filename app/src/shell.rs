//! The HTML document around the panel: head, first scripts, icons. Rendered on the server only, never hydrated.

use crate::App;
use crate::chrome::theme::STORAGE_KEY;
use crate::sprite::Sprite;
use axum::http::{HeaderName, HeaderValue, header};
use leptos::nonce::use_nonce;
use leptos::prelude::*;
use leptos_axum::ResponseOptions;
use leptos_meta::MetaTags;

/// Icon of the tab; a colour that stands on light and dark.
const FAVICON: &str = "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 24 24' fill='none' stroke='%230e8fae' stroke-width='2' stroke-linejoin='round' stroke-linecap='round'%3E%3Cpath d='M12 2.5 20.5 7v10L12 21.5 3.5 17V7z'/%3E%3Cpath d='m8.5 12 2.5 2.5 4.5-5'/%3E%3C/svg%3E";

/// The document. Sets the page's security headers, because its content policy names this answer's own nonce.
pub fn shell(options: LeptosOptions) -> impl IntoView {
    let nonce = use_nonce();
    if let Some(response) = use_context::<ResponseOptions>() {
        let scripts = nonce.as_ref().map(|nonce| format!(" 'nonce-{nonce}'")).unwrap_or_default();
        let policy = format!(
            "default-src 'self'; script-src 'self'{scripts} 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
        );
        if let Ok(policy) = HeaderValue::from_str(&policy) {
            response.insert_header(header::CONTENT_SECURITY_POLICY, policy);
        }
        response.insert_header(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
        response.insert_header(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        response.insert_header(
            HeaderName::from_static("cross-origin-opener-policy"),
            HeaderValue::from_static("same-origin"),
        );
        // Rows change: a page from the cache, e.g. after going back, would show old ones as if they were live.
        response.insert_header(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    let (package, name) = (&options.site_pkg_dir, &options.output_name);
    let (script, wasm) = (format!("/{package}/{name}.js"), format!("/{package}/{name}.wasm"));
    // Imported by the script: it fetches the parts that other pages need.
    let loader = format!("/{package}/parts.js");
    // Written here and not by the framework, whose file name depends on an environment variable at build time.
    let start =
        format!("import init,{{hydrate}} from \"{script}\";init({{module_or_path:\"{wasm}\"}}).then(()=>hydrate());");
    let theme = format!(
        "try{{const t=localStorage.getItem('{STORAGE_KEY}');if(t==='light'||t==='dark')document.documentElement.dataset.theme=t}}catch{{}}"
    );
    view! {
        <!DOCTYPE html>
        <html lang="en">
            <head>
                <meta charset="utf-8" />
                <meta name="viewport" content="width=device-width, initial-scale=1" />
                <meta name="color-scheme" content="light dark" />
                <script nonce=nonce.clone()>{theme}</script>
                <link rel="stylesheet" href=format!("/{package}/panel.css") />
                <link rel="icon" href=FAVICON />
                <link rel="modulepreload" href=script />
                <link rel="modulepreload" href=loader />
                <link rel="preload" href=wasm r#as="fetch" r#type="application/wasm" crossorigin="anonymous" />
                <script type="module" nonce=nonce>{start}</script>
                <MetaTags />
            </head>
            <body>
                <App />
                <Sprite />
            </body>
        </html>
    }
}
