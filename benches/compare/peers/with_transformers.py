"""transformers on PyTorch, fp32: its own processor and `generate`, from a picture in memory to the first token.
    with_transformers.py SET PICTURE THREADS"""
import os, sys

import worker


def load():
    folder, picture, threads = sys.argv[1:]
    # The wheels for Linux are linked with CUDA; without this every function of it would have to be there from the start.
    sys.setdlopenflags(os.RTLD_LAZY)
    import PIL.Image, torch, transformers

    torch.set_num_threads(int(threads))
    picture = PIL.Image.frombytes("RGB", worker.SIZE, worker.pixels(picture))
    model = transformers.AutoModelForImageTextToText.from_pretrained(folder, local_files_only=True, dtype=torch.float32).eval()
    messages = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": worker.PROMPT}]}]

    def case(split, tiles):
        processor = transformers.AutoProcessor.from_pretrained(folder, local_files_only=True)
        processor.image_processor.do_image_splitting = split

        def first_token():
            text = processor.apply_chat_template(messages, add_generation_prompt=True)
            inputs = processor(text=text, images=[picture], return_tensors="pt")
            assert inputs["pixel_values"].shape[1] == tiles, inputs["pixel_values"].shape
            with torch.inference_mode():
                return model.generate(**inputs, max_new_tokens=1, do_sample=False)[0, -1]

        return first_token

    one = case(False, 1)
    one()
    return f"transformers {transformers.__version__}, torch {torch.__version__}, fp32", {"tiles": case(True, 13), "one": one}


worker.serve(load)
