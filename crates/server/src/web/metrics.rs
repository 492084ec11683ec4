//! All counters for Prometheus, as OpenMetrics text: read as a snapshot, encoded anew for each scrape.
//!
//! Labels are closed sets: shards, reasons, protocols. No client and no topic makes a series.

use std::fmt;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};

use super::figures::{Figures, ShardFigures};
use super::problem::Problem;
use super::view::View;
use crate::turn_times::{BOUNDS, TurnTimes};

mod families;

use families::{Family, Kind};

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

pub(super) async fn metrics(State(view): State<Arc<View>>) -> Response {
    let figures = view.figures().await;
    match text(&view, &figures) {
        Ok(text) => ([(header::CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
        // A figure that does not fit its type: ours.
        Err(fmt::Error) => {
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "a figure cannot be told").into_response()
        }
    }
}

fn text(view: &View, figures: &Figures) -> Result<String, fmt::Error> {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Scrape {
        families: families::families(view, figures),
        turns: figures.0.iter().map(|ShardFigures { report, .. }| (report.shard.0, report.turns)).collect(),
    }));
    let mut text = String::new();
    encode(&mut text, &registry)?;
    Ok(text)
}

/// What one scrape tells.
#[derive(Debug)]
struct Scrape {
    families: Vec<Family>,
    turns: Vec<(u8, TurnTimes)>,
}

impl Collector for Scrape {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for family in &self.families {
            family.encode(&mut encoder)?;
        }
        let help = "Turns of a shard's loop, without the time that it waited for something to do";
        let mut turns =
            encoder.encode_descriptor("tidings_turn", help, Some(&Unit::Seconds), MetricType::Histogram)?;
        for (shard, times) in &self.turns {
            let bounds = BOUNDS.iter().map(std::time::Duration::as_secs_f64).chain([f64::INFINITY]);
            let buckets: Vec<(f64, u64)> = bounds.zip(times.counts).collect();
            turns.encode_family(&[("shard", shard.to_string())])?.encode_histogram::<NoLabelSet>(
                times.seconds(),
                times.count(),
                &buckets,
                None,
            )?;
        }
        Ok(())
    }
}

impl Family {
    fn encode(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let kind = match self.kind {
            Kind::Counter => MetricType::Counter,
            Kind::Gauge => MetricType::Gauge,
        };
        let mut encoder = encoder.encode_descriptor(self.name, self.help, self.unit.as_ref(), kind)?;
        for (labels, value) in &self.samples {
            let mut sample = encoder.encode_family(labels)?;
            match self.kind {
                Kind::Counter => sample.encode_counter::<NoLabelSet, _, u64>(value, None)?,
                Kind::Gauge => sample.encode_gauge(value)?,
            }
        }
        Ok(())
    }
}
