//! usls, from a picture of one tile in memory to the first token. Speaks the protocol of worker.py.
//!
//!     with-usls SET SUFFIX PICTURE THREADS

use std::io::{BufRead, Write};
use std::time::Instant;

use anyhow::{Context, ensure};
use image::imageops;
use usls::models::SmolVLM;
use usls::{Config, Image, Model};

const SIZE: (u32, u32) = (1920, 1080);

fn main() -> anyhow::Result<()> {
    let words: Vec<String> = std::env::args().collect();
    let [_, set, suffix, picture, threads] = words.as_slice() else {
        anyhow::bail!("with-usls SET SUFFIX PICTURE THREADS");
    };
    let graph = |part: &str| format!("{set}/onnx/{part}{suffix}.onnx");
    let config = Config::smolvlm_256m()
        .with_visual_file(&graph("vision_encoder"))
        .with_textual_file(&graph("embed_tokens"))
        .with_textual_decoder_merged_file(&graph("decoder_model_merged"))
        .with_tokenizer_file(&format!("{set}/tokenizer.json"))
        .with_tokenizer_config_file(&format!("{set}/tokenizer_config.json"))
        .with_num_intra_threads_all(threads.parse()?)
        .with_num_dry_run_all(0)
        .with_max_tokens(1)
        .with_ignore_eos(true)
        .commit()?;
    let mut model = SmolVLM::new(config)?;
    let data = std::fs::read(picture).with_context(|| picture.clone())?;
    let picture = image::RgbImage::from_raw(SIZE.0, SIZE.1, data).context("the picture has another size")?;
    // It cuts whatever is larger than a tile into tiles, always: for one tile it gets the picture stretched to one, at no cost.
    let tile = Image::from(imageops::resize(&picture, 512, 512, imageops::FilterType::Lanczos3));
    let mut first_token = || -> anyhow::Result<()> {
        let answers = model.run((std::slice::from_ref(&tile), "Describe the scene."))?;
        ensure!(answers.len() == 1, "{} answers to one question", answers.len());
        Ok(())
    };
    first_token()?;
    let mut out = std::io::stdout();
    writeln!(out, "{{\"ready\": \"usls 0.2.0-alpha.3, graphs `*{suffix}.onnx`\"}}")?;
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let Some(("one", runs)) = line.split_once(' ') else { anyhow::bail!("`{line}` is not `one RUNS`") };
        let mut seconds = Vec::new();
        for _ in 0..runs.trim().parse()? {
            let began = Instant::now();
            first_token()?;
            seconds.push(began.elapsed().as_secs_f64());
        }
        writeln!(out, "{{\"seconds\": {seconds:?}, \"token\": 0}}")?;
    }
    Ok(())
}
