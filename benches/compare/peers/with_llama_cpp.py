"""llama.cpp through the libraries and bindings of llama-cpp-python: picture and prompt to the first token, one tile.
    with_llama_cpp.py MODEL.gguf MMPROJ.gguf PICTURE THREADS"""
import ctypes, importlib.metadata, sys

import worker

BEFORE, AFTER = "<|im_start|>User:<fake_token_around_image><global-img>", "<fake_token_around_image>%s<end_of_utterance>\nAssistant:"


def load():
    text_file, vision_file, picture, threads = sys.argv[1:]
    import llama_cpp, numpy
    from llama_cpp import mtmd_cpp as mtmd

    llama_cpp.llama_backend_init()
    model = llama_cpp.llama_model_load_from_file(text_file.encode(), llama_cpp.llama_model_default_params())
    assert model, f"{text_file} could not be loaded"
    vocabulary = llama_cpp.llama_model_get_vocab(model)
    params = llama_cpp.llama_context_default_params()
    params.n_ctx, params.n_batch, params.n_threads, params.n_threads_batch = 2048, 2048, int(threads), int(threads)
    context = llama_cpp.llama_init_from_model(model, params)
    params = mtmd.mtmd_context_params_default()
    params.use_gpu, params.n_threads, params.print_timings = False, int(threads), False
    vision = mtmd.mtmd_init_from_file(vision_file.encode(), model, params)
    assert context and vision, f"{vision_file} could not be loaded"
    rgb = (ctypes.c_ubyte * (3 * worker.SIZE[0] * worker.SIZE[1])).from_buffer_copy(worker.pixels(picture))
    marker = mtmd.mtmd_default_marker()
    words = llama_cpp.llama_vocab_n_tokens(vocabulary)

    def view(chunks):
        """The last picture of what a picture became is the whole view; the tiles before it are left out, as ours are."""
        bitmap = mtmd.mtmd_bitmap_init(*worker.SIZE, rgb)
        text = mtmd.mtmd_input_text(text=marker, text_len=len(marker), add_special=False, parse_special=True)
        failed = mtmd.mtmd_tokenize(vision, chunks, ctypes.byref(text), (mtmd.mtmd_bitmap_p_ctypes * 1)(bitmap), 1)
        mtmd.mtmd_bitmap_free(bitmap)
        assert not failed, failed
        all_chunks = [mtmd.mtmd_input_chunks_get(chunks, i) for i in range(mtmd.mtmd_input_chunks_size(chunks))]
        return [c for c in all_chunks if mtmd.mtmd_input_chunk_get_type(c) == mtmd.MTMD_INPUT_CHUNK_TYPE_IMAGE][-1]

    def say(text):
        text = text.encode()
        ids = (llama_cpp.llama_token * 64)()
        count = llama_cpp.llama_tokenize(vocabulary, text, len(text), ids, len(ids), False, True)
        assert count > 0, count
        failed = llama_cpp.llama_decode(context, llama_cpp.llama_batch_get_one(ids, count))
        assert not failed, failed
        return count

    def first_token():
        llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(context), True)
        chunks = mtmd.mtmd_input_chunks_init()
        picture = view(chunks)
        position, end = say(BEFORE), llama_cpp.llama_pos(0)
        failed = mtmd.mtmd_helper_eval_chunk_single(vision, context, picture, position, 0, 2048, False, ctypes.byref(end))
        mtmd.mtmd_input_chunks_free(chunks)
        assert not failed and end.value == position + 64, (failed, end.value)
        say(AFTER % worker.PROMPT)
        return numpy.ctypeslib.as_array(llama_cpp.llama_get_logits_ith(context, -1), (words,)).argmax()

    first_token()
    return f"llama.cpp (mtmd) of llama-cpp-python {importlib.metadata.version('llama_cpp_python')}, Q8_0", {"one": first_token}


worker.serve(load)
