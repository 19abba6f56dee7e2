//! Times. The server writes UTC at fixed width; the browser puts them into the reader's own zone and manner after
//! hydration.

use crate::store::use_store;
use domain::timestamp::Timestamp;
use domain::units;
use leptos::prelude::*;
use wasm_bindgen::JsValue;

/// `2026-04-17 14:32:05 UTC`
pub fn utc(at: Timestamp) -> String {
    let text = at.to_string();
    let date = text.get(..10).unwrap_or(&text);
    let time = text.get(11..19).unwrap_or_default();
    format!("{date} {time} UTC")
}

/// In the reader's zone and manner. Browser only.
fn local(at: Timestamp) -> String {
    thread_local! {
        static FORMAT: js_sys::Intl::DateTimeFormat = {
            let options = js_sys::Object::new();
            for (key, value) in [("dateStyle", "medium"), ("timeStyle", "medium")] {
                // A plain object takes every property.
                let _ = js_sys::Reflect::set(&options, &JsValue::from_str(key), &JsValue::from_str(value));
            }
            js_sys::Intl::DateTimeFormat::new(&js_sys::Array::new(), &options)
        };
    }
    let date = js_sys::Date::new(&JsValue::from_f64(at.unix_seconds() as f64 * 1_000.0));
    let formatted = FORMAT.with(|format| format.format().call1(&JsValue::UNDEFINED, &date));
    formatted.ok().and_then(|text| text.as_string()).unwrap_or_else(|| utc(at))
}

/// The text of a time: UTC until hydrated, then local. Reactive.
pub fn time_text(at: Timestamp) -> String {
    if use_store_hydrated() { local(at) } else { utc(at) }
}

fn use_store_hydrated() -> bool {
    use_context::<crate::store::Store>().is_some_and(|store| store.hydrated.get())
}

/// A point in time.
#[component]
pub fn When(at: Timestamp) -> impl IntoView {
    let store = use_store();
    view! {
        <time datetime=at.to_string() title=utc(at)>
            {move || if store.hydrated.get() { local(at) } else { utc(at) }}
        </time>
    }
}

/// A point in time as a document writes it; what is not a time is shown as it stands.
pub fn stamped(at: String) -> AnyView {
    match Timestamp::parse(&at) {
        Ok(at) => view! { <When at=at /> }.into_any(),
        Err(_) => at.into_any(),
    }
}

/// How long ago something was, with the point in time as its title.
#[component]
pub fn Ago(
    seconds: Signal<i64>,
    /// The point in time, as the documents write it.
    at: Signal<String>,
) -> impl IntoView {
    let store = use_store();
    let title = move || {
        at.with(|at| match Timestamp::parse(at) {
            Ok(time) if store.hydrated.get() => local(time),
            Ok(time) => utc(time),
            Err(_) => at.clone(),
        })
    };
    view! {
        <time datetime=move || at.get() title=title>
            {move || units::elapsed(seconds.get())}
        </time>
    }
}
