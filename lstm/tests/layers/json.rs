//! What Keras writes of layers.

use lstm::Layer;

/// A layer from its configuration, without the keys that all layers have.
fn read(class: &str, config: &str) -> Result<Layer, String> {
    let comma = if config.is_empty() { "" } else { ", " };
    let json = format!(
        r#"{{"module": "keras.layers", "class_name": "{class}", "config": {{"name": "one",
        "trainable": true, "dtype": "float64"{comma}{config}}}, "registered_name": null}}"#
    );
    Layer::from_json(&json).map_err(|error| error.to_string())
}

#[test]
fn all_options_are_read() {
    let written = [
        ("RepeatVector", r#""n": 3"#, "n: 3"),
        ("Activation", r#""activation": "gelu""#, "activation: Gelu"),
        ("Softmax", r#""axis": [1, 2]"#, "axes: [1, 2]"),
        ("Flatten", r#""data_format": "channels_first""#, "data_format: ChannelsFirst"),
        ("Reshape", r#""target_shape": [3, -1]"#, "target_shape: Shape([Some(3), None])"),
        ("Permute", r#""dims": [2, 1]"#, "dims: [2, 1]"),
        ("Concatenate", r#""axis": -2"#, "axis: -2"),
        ("Add", "", "Add"),
        ("Subtract", "", "Subtract"),
        ("Multiply", "", "Multiply"),
        ("Average", "", "Average"),
        ("Maximum", "", "Maximum"),
        ("Minimum", "", "Minimum"),
        (
            "Embedding",
            r#""input_dim": 5, "output_dim": 2, "embeddings_initializer": "uniform",
            "embeddings_regularizer": null, "activity_regularizer": "l1",
            "embeddings_constraint": null, "mask_zero": true, "quantization_config": null"#,
            "input_dim: 5, output_dim: 2, embeddings_initializer: RandomUniform { minval: -0.05, \
             maxval: 0.05 }, embeddings_regularizer: None, activity_regularizer: Some(L1(0.01)), \
             embeddings_constraint: None, mask_zero: true",
        ),
        (
            "LayerNormalization",
            r#""axis": [2, -2], "epsilon": 0.1, "center": false, "scale": false,
            "rms_scaling": true, "beta_initializer": "ones", "gamma_initializer": "zeros",
            "beta_regularizer": null, "gamma_regularizer": null, "beta_constraint": null,
            "gamma_constraint": null"#,
            "axes: [-2, 2], epsilon: 0.1, center: false, scale: false, rms_scaling: true, \
             beta_initializer: Ones, gamma_initializer: Zeros",
        ),
    ];
    for (class, config, shown) in written {
        let layer = format!("{:?}", read(class, config).unwrap());
        assert!(layer.contains(shown) && layer.contains(r#"name: Some("one")"#), "{layer}");
        let comma = if config.is_empty() { "" } else { ", " };
        let error = read(class, &format!(r#"{config}{comma}"colour": 1"#)).unwrap_err();
        assert_eq!(error, format!("{class}.colour: unknown key"));
    }
}

#[test]
fn what_is_wrong_or_unknown_is_named() {
    let wrong = [
        ("Flatten", r#""data_format": "last""#, "Flatten.data_format: unknown value \"last\""),
        ("Reshape", r#""target_shape": [3, -2]"#, "Reshape.target_shape: expected a list"),
        ("Permute", r#""dims": 2"#, "Permute.dims: expected a list of sizes, found 2"),
        ("Concatenate", r#""axis": 0.5"#, "Concatenate.axis: expected an axis, found 0.5"),
        ("LayerNormalization", r#""axis": [1, null]"#, "LayerNormalization.axis: expected axes"),
        ("Activation", r#""activation": "shrink""#, "unsupported activation: `shrink`"),
        (
            "Embedding",
            r#""input_dim": 5, "output_dim": 2, "lora_rank": 4"#,
            "unsupported lora_rank of Embedding: `4`",
        ),
    ];
    for (class, config, why) in wrong {
        let error = read(class, config).unwrap_err();
        assert!(error.starts_with(why), "{error}");
    }
}
