//! How a grouped-query attention is made.

use burn::config::Config;
use burn::nn::{DropoutConfig, Initializer, Linear, LinearConfig};
use burn::tensor::Device;

use super::{AttentionError, GroupedQueryAttention};

/// Makes a [`GroupedQueryAttention`]. With nothing but the two required sizes it is the layer that
/// Burn's `MultiHeadAttentionConfig` makes.
#[derive(Config, Debug)]
pub struct GroupedQueryAttentionConfig {
    /// Width of the query's input.
    pub d_model: usize,
    /// Number of query heads.
    pub n_heads: usize,
    /// Number of heads of keys and values, of which `n_heads` is a multiple. Default: `n_heads`
    pub n_heads_kv: Option<usize>,
    /// Width of one head of queries and keys. Default: `d_model / n_heads`
    pub d_qk: Option<usize>,
    /// Width of one head of values. Default: `d_qk`
    pub d_v: Option<usize>,
    /// Width of the key's input. Default: `d_model`
    pub d_key: Option<usize>,
    /// Width of the value's input. Default: `d_key`
    pub d_value: Option<usize>,
    /// Width of the output. Default: `d_model`
    pub d_output: Option<usize>,
    /// What scores are multiplied by. Default: `1 / sqrt(d_qk)`
    pub scale: Option<f64>,
    /// Share of attention weights dropped in training, in [0, 1). Default: 0.1
    #[config(default = 0.1)]
    pub dropout: f64,
    /// What masked scores are set to before the softmax. Default: -1.0e4, which f16 can hold.
    #[config(default = -1.0e4)]
    pub min_float: f64,
    /// Whether a query may attend to nothing
    /// (<https://www.evanmiller.org/attention-is-off-by-one.html>). Default: false
    #[config(default = false)]
    pub quiet_softmax: bool,
    /// How the weights and biases start.
    #[config(default = "Initializer::KaimingUniform{gain:1.0/f64::sqrt(3.0), fan_out_only:false}")]
    pub initializer: Initializer,
    /// Whether `query` has a bias. Default: true
    #[config(default = true)]
    pub query_bias: bool,
    /// Whether `key` has a bias. Default: true
    #[config(default = true)]
    pub key_bias: bool,
    /// Whether `value` has a bias. Default: true
    #[config(default = true)]
    pub value_bias: bool,
    /// Whether `output` has a bias. Default: true
    #[config(default = true)]
    pub output_bias: bool,
}

impl GroupedQueryAttentionConfig {
    /// Makes the layer on `device`.
    ///
    /// # Errors
    ///
    /// [`AttentionError::Setting`] if a size is 0, `n_heads_kv` does not divide `n_heads`, `n_heads`
    /// does not divide `d_model` and `d_qk` is not given, `dropout` is outside [0, 1), or `scale` or
    /// `min_float` is not a number.
    pub fn init(&self, device: &Device) -> Result<GroupedQueryAttention, AttentionError> {
        let d_model = positive("d_model", self.d_model)?;
        let n_heads = positive("n_heads", self.n_heads)?;
        let n_heads_kv = positive("n_heads_kv", self.n_heads_kv.unwrap_or(n_heads))?;
        if n_heads % n_heads_kv != 0 {
            return Err(setting(
                "n_heads_kv",
                n_heads_kv,
                format!("a divisor of `n_heads` = {n_heads}"),
                "every head of keys and values serves as many query heads",
            ));
        }
        if self.d_qk.is_none() && d_model % n_heads != 0 {
            return Err(setting(
                "n_heads",
                n_heads,
                format!("a divisor of `d_model` = {d_model}"),
                "choose another number, or give the width of a head with `with_d_qk`",
            ));
        }
        let d_qk = positive("d_qk", self.d_qk.unwrap_or(d_model / n_heads))?;
        let d_v = positive("d_v", self.d_v.unwrap_or(d_qk))?;
        let d_key = positive("d_key", self.d_key.unwrap_or(d_model))?;
        let d_value = positive("d_value", self.d_value.unwrap_or(d_key))?;
        let d_output = positive("d_output", self.d_output.unwrap_or(d_model))?;
        // Burn's dropout panics outside this range.
        if !(0.0..1.0).contains(&self.dropout) {
            return Err(setting(
                "dropout",
                self.dropout,
                "in [0, 1)".into(),
                "write the share of weights to drop, e.g. 0.1",
            ));
        }
        let scale = finite("scale", self.scale.unwrap_or(scale_of(d_qk)))?;
        let min_float = finite("min_float", self.min_float)?;

        let q = product("d_qk", n_heads, d_qk)?;
        let k = product("d_qk", n_heads_kv, d_qk)?;
        let v = product("d_v", n_heads_kv, d_v)?;
        let contexts = product("d_v", n_heads, d_v)?;
        Ok(GroupedQueryAttention {
            query: self.linear(d_model, q, self.query_bias, device),
            key: self.linear(d_key, k, self.key_bias, device),
            value: self.linear(d_value, v, self.value_bias, device),
            output: self.linear(contexts, d_output, self.output_bias, device),
            dropout: DropoutConfig::new(self.dropout).init(),
            n_heads,
            n_heads_kv,
            d_qk,
            d_v,
            scale,
            min_float,
            quiet_softmax: self.quiet_softmax,
        })
    }

    fn linear(&self, d_input: usize, d_output: usize, bias: bool, device: &Device) -> Linear {
        LinearConfig::new(d_input, d_output)
            .with_bias(bias)
            .with_initializer(self.initializer.clone())
            .init(device)
    }
}

/// The scale of scores over this many products.
pub(super) fn scale_of(d_qk: usize) -> f64 {
    (d_qk as f64).sqrt().recip()
}

fn setting(
    setting: &'static str,
    value: impl ToString,
    expected: String,
    remedy: &str,
) -> AttentionError {
    AttentionError::Setting {
        setting,
        value: value.to_string(),
        expected,
        remedy: remedy.into(),
    }
}

fn positive(name: &'static str, value: usize) -> Result<usize, AttentionError> {
    if value > 0 {
        return Ok(value);
    }
    let remedy = "give a size of at least 1";
    Err(setting(name, value, "positive".into(), remedy))
}

fn finite(name: &'static str, value: f64) -> Result<f64, AttentionError> {
    if value.is_finite() {
        return Ok(value);
    }
    let remedy = "infinities and NaN spread through the softmax: give a finite number";
    Err(setting(name, value, "finite".into(), remedy))
}

fn product(name: &'static str, heads: usize, width: usize) -> Result<usize, AttentionError> {
    heads.checked_mul(width).ok_or_else(|| {
        let expected = format!("small enough for {heads} heads");
        setting(name, width, expected, "choose fewer or narrower heads")
    })
}
