//! One page with everything in it, that asks no network for anything.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::analysis::Analysis;
use crate::error::EvalError;
use crate::images::Images;
use crate::picture::Picture;
use crate::report::table::{Align, Table};
use crate::report::{sheet, summary, tables};

/// What a page is made of besides the analysis.
pub(super) struct Parts<'a> {
    pub pictures: &'a [Picture],
    pub tables: &'a [Table],
    pub extra_pictures: &'a [Picture],
    pub extra_tables: &'a [Table],
    pub images: Option<&'a Images>,
}

pub(super) fn page(analysis: &Analysis, parts: &Parts<'_>) -> Result<String, EvalError> {
    let mut html = head(&tables::headline(analysis), &tables::provenance(analysis));
    html.push_str("<section class=\"short\"><strong>In short</strong>\n");
    list(&mut html, &summary::of(analysis));
    html.push_str(
        "<p class=\"faint\">A/A compares dense models with other dense models: what it finds is what the method \
         finds where there is nothing to find. Nothing is claimed that does not exceed it.</p></section>\n",
    );
    let mut rest: Vec<&Table> = parts.tables.iter().collect();
    let mut take = |wanted: &dyn Fn(&str) -> bool| -> Vec<&Table> {
        let (taken, left) = rest.iter().partition(|table| wanted(&table.title));
        rest = left;
        taken
    };
    let pictures = |wanted: &dyn Fn(&str) -> bool| -> Vec<&Picture> {
        parts
            .pictures
            .iter()
            .filter(|picture| wanted(&picture.name))
            .collect()
    };
    section(
        &mut html,
        "Accuracy",
        &pictures(&|name| name == "accuracy"),
        &take(&|title| title == "Accuracy"),
    )?;
    for grouping in &analysis.groupings {
        let by = &grouping.grouping;
        let prefix = format!("{}-", super::charts::file_name(by));
        section(
            &mut html,
            &format!("Who pays, by {by}"),
            &pictures(&|name| name.starts_with(&prefix)),
            &take(&|title| {
                title.starts_with(&format!("Who pays, by {by}:"))
                    || title.starts_with(&format!("By {by},"))
            }),
        )?;
    }
    section(
        &mut html,
        "Examples seen differently (PIEs)",
        &pictures(&|name| name == "pies"),
        &take(&|title| title.contains("PIEs")),
    )?;
    if let Some(images) = parts.images {
        sheets(&mut html, analysis, images)?;
    }
    section(
        &mut html,
        "Calibration",
        &pictures(&|name| name == "confidence" || name == "reliability"),
        &take(&|title| title.starts_with("Calibration")),
    )?;
    if !analysis.robustness.is_empty() {
        section(
            &mut html,
            "Robustness",
            &pictures(&|name| name == "robustness"),
            &take(&|title| title.starts_with("Robustness")),
        )?;
    }
    if !parts.extra_pictures.is_empty() || !parts.extra_tables.is_empty() {
        let pictures: Vec<&Picture> = parts.extra_pictures.iter().collect();
        let tables: Vec<&Table> = parts.extra_tables.iter().collect();
        section(&mut html, "How much is left", &pictures, &tables)?;
    }
    html.push_str("<h2>What else has to be said</h2>\n");
    list(&mut html, &analysis.notes);
    html.push_str(TAIL);
    Ok(html)
}

pub(super) const TAIL: &str = "</main>\n</body>\n</html>\n";

/// A page up to its headline and the line below.
pub(super) fn head(title: &str, subtitle: &str) -> String {
    let (title, subtitle) = (escape(title), escape(subtitle));
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>{title}</title>\n\
         <style>\n{}</style>\n</head>\n<body>\n<main>\n<h1>{title}</h1>\n\
         <p class=\"faint\">{subtitle}</p>\n",
        include_str!("style.css"),
    )
}

pub(super) fn list(html: &mut String, sentences: &[String]) {
    html.push_str("<ul>\n");
    for sentence in sentences {
        // A level's name before its colon stands out.
        let text = match sentence.split_once(" %: ") {
            Some((level, rest)) => {
                format!("<strong>{} %</strong>: {}", escape(level), escape(rest))
            }
            None => escape(sentence),
        };
        html.push_str(&format!("<li>{text}</li>\n"));
    }
    html.push_str("</ul>\n");
}

pub(super) fn section(
    html: &mut String,
    title: &str,
    pictures: &[&Picture],
    tables: &[&Table],
) -> Result<(), EvalError> {
    html.push_str(&format!("<h2>{}</h2>\n", escape(title)));
    if !pictures.is_empty() {
        html.push_str("<div class=\"pictures\">\n");
        for picture in pictures {
            figure(html, picture)?;
        }
        html.push_str("</div>\n");
    }
    // The first two are for everybody, the others for those who want to know.
    for (at, table) in tables.iter().enumerate() {
        self::table(html, table, at < 2);
    }
    Ok(())
}

fn figure(html: &mut String, picture: &Picture) -> Result<(), EvalError> {
    let label = format!(
        "<svg role=\"img\" aria-label=\"{}\" ",
        escape(&picture.title)
    );
    let svg = picture.svg()?.replacen("<svg ", &label, 1);
    html.push_str(&format!(
        "<figure><h3>{}</h3>{svg}<figcaption>{}</figcaption></figure>\n",
        escape(&picture.title),
        escape(&picture.caption)
    ));
    Ok(())
}

fn table(html: &mut String, table: &Table, open: bool) {
    let (before, after) = match open {
        true => (
            format!("<h3>{}</h3>\n", escape(&table.title)),
            String::new(),
        ),
        false => (
            format!("<details><summary>{}</summary>\n", escape(&table.title)),
            "</details>\n".into(),
        ),
    };
    html.push_str(&before);
    html.push_str("<div class=\"scroll\" tabindex=\"0\"><table>\n<thead><tr>");
    let class = |align: Align| {
        if align == Align::Left {
            " class=\"left\""
        } else {
            ""
        }
    };
    for (name, align) in &table.columns {
        html.push_str(&format!(
            "<th scope=\"col\"{}>{}</th>",
            class(*align),
            escape(name.trim())
        ));
    }
    html.push_str("</tr></thead>\n<tbody>\n");
    for row in &table.rows {
        html.push_str("<tr>");
        for (cell, (_, align)) in row.iter().zip(&table.columns) {
            html.push_str(&format!("<td{}>{}</td>", class(*align), escape(cell)));
        }
        html.push_str("</tr>\n");
    }
    html.push_str("</tbody></table></div>\n");
    html.push_str(&format!(
        "<p class=\"caption\">{}</p>\n{after}",
        escape(&table.caption)
    ));
}

/// The PIEs of the highest level open, those of the others to be unfolded.
fn sheets(html: &mut String, analysis: &Analysis, images: &Images) -> Result<(), EvalError> {
    for (at, level) in analysis.pies.iter().rev().enumerate() {
        let pies = sheet::shown(level);
        if pies.is_empty() {
            continue;
        }
        let open = if at == 0 { " open" } else { "" };
        html.push_str(&format!(
            "<details{open}><summary>PIEs of {}: {} of {}, those first on which both populations are most of one mind</summary>\n<div class=\"sheet\">\n",
            escape(&level.level),
            pies.len(),
            level.count
        ));
        for pie in pies {
            let file = STANDARD.encode(sheet::png(images, pie.index)?);
            let [truth, dense, compared] =
                sheet::words(analysis, level, pie).map(|text| escape(&text));
            html.push_str(&format!(
                "<figure><img alt=\"example {}\" src=\"data:image/png;base64,{file}\"><figcaption><b>{truth}</b><br>{dense}<br>{compared}<br>#{}</figcaption></figure>\n",
                pie.index, pie.index
            ));
        }
        html.push_str("</div></details>\n");
    }
    Ok(())
}

fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c => safe.push(c),
        }
    }
    safe
}
