//! The form above a list: words to search for, and choices. Each is a field of the page's address, so that a view can be
//! shared, and works without scripts.

use super::Icon;
use leptos::leptos_dom::helpers::debounce;
use leptos::prelude::*;
use leptos_router::NavigateOptions;
use leptos_router::hooks::use_navigate;
use std::time::Duration;

/// How long typing may pause before the list follows.
const TYPING: Duration = Duration::from_millis(200);

/// Goes to another view of the list, in the place of this one.
fn use_view() -> impl Fn(String) + Clone + 'static {
    let navigate = use_navigate();
    move |href: String| {
        navigate(&href, NavigateOptions { resolve: false, replace: true, scroll: false, ..NavigateOptions::default() });
    }
}

/// The form; its choices are its children.
#[component]
pub fn ListForm(
    /// What is searched, e.g. `Search runs`.
    label: &'static str,
    placeholder: &'static str,
    /// The key of the words in the address.
    name: &'static str,
    /// The key that leads there, where the page has one.
    #[prop(optional)]
    accesskey: Option<&'static str>,
    /// The words of the view.
    #[prop(into)]
    text: Signal<String>,
    /// The address of the view with other words.
    to: Callback<String, String>,
    /// What else stands in the address: without scripts the form sends only what it holds.
    #[prop(into)]
    kept: Signal<Vec<(&'static str, String)>>,
    children: Children,
) -> impl IntoView {
    let go = use_view();
    let mut search = debounce(TYPING, move |words: String| go(to.run(words)));
    let hidden = move || {
        kept.get().into_iter().map(|(key, value)| view! { <input type="hidden" name=key value=value /> }).collect_view()
    };
    view! {
        <form class="search no-print" method="get" role="search" aria-label=label on:submit=|event| event.prevent_default()>
            {hidden}
            <label class="field">
                <span class="sr-only">{label}</span>
                <Icon name="search" />
                <input
                    type="search"
                    accesskey=accesskey
                    name=name
                    placeholder=placeholder
                    autocomplete="off"
                    spellcheck="false"
                    value=text.get_untracked()
                    prop:value=move || text.get()
                    on:input:target=move |event| search(event.target().value())
                />
            </label>
            {children()}
            <button type="submit" class="button without-script">"Apply"</button>
        </form>
    }
}

/// A choice of one or all.
#[component]
pub fn Choice(
    label: &'static str,
    /// Its key in the address; none where only a script can make the choice.
    #[prop(optional)]
    name: Option<&'static str>,
    /// What is shown where nothing is chosen; none where something always is.
    #[prop(optional)]
    all: Option<&'static str>,
    /// Values, with what is shown for each.
    #[prop(into)]
    options: Signal<Vec<(String, String)>>,
    #[prop(into)] chosen: Signal<Option<String>>,
    /// The address of the view with another choice.
    to: Callback<Option<String>, String>,
    /// Beside `field`.
    #[prop(optional)]
    class: &'static str,
) -> impl IntoView {
    let go = use_view();
    let choose = move |event: leptos::ev::Event| {
        let value = event_target_value(&event);
        go(to.run((!value.is_empty()).then_some(value)));
    };
    let all = all.map(|all| view! { <option value="" selected=move || chosen.with(Option::is_none)>{all}</option> });
    view! {
        <label class=format!("field {class}")>
            <span class="sr-only">{label}</span>
            <select name=name on:change=choose>
                {all}
                <For each=move || options.get() key=Clone::clone let((value, text))>
                    <option
                        value=value.clone()
                        selected={
                            let value = value.clone();
                            move || chosen.with(|chosen| chosen.as_deref() == Some(value.as_str()))
                        }
                    >
                        {text}
                    </option>
                </For>
            </select>
        </label>
    }
}
