"""A consumer that runs the method which a text names. Each method goes wrong in its own way, and replies `survived` if it
comes to its end. Other texts are echoed."""

import asyncio
import builtins
import gc
import json
import logging
import os
import pickle
import queue
import re
import sys
import threading

from asgiref.sync import async_to_sync
from channels.generic.websocket import WebsocketConsumer
from narrowboat import ClientError

#: The hash of each multiple of this number is 0.
MODULUS = sys.hash_info.modulus

kept = []


class Faults(WebsocketConsumer):
    def receive(self, text_data=None, bytes_data=None):
        fault = getattr(self, text_data.replace(" ", "_"), None)
        if fault is None:
            self.send(text_data)
        else:
            fault()
            self.send("survived")

    # Recursion.

    def recursion(self):
        self.recursion()

    def recursion_of_an_attribute(self):
        class Endless:
            def __getattr__(self, name):
                return getattr(self, name + "x")

        Endless().a

    def recursion_of_a_comparison(self):
        class Endless:
            def __eq__(self, other):
                return self == other

        Endless() == Endless()

    def recursion_without_a_limit(self):
        sys.setrecursionlimit(10**9)
        self.recursion()

    def text_of_a_deep_list(self):
        deep = []
        for _ in range(100_000):
            deep = [deep]
        repr(deep)

    # Time.

    def loop(self):
        while True:
            pass

    def loop_that_catches_all(self):
        while True:
            try:
                self.loop()
            except BaseException:
                pass

    def loop_of_coroutines(self):
        async def spin():
            while True:
                await asyncio.sleep(0)

        async_to_sync(spin)()

    def loop_of_the_interpreter(self):
        sum(range(10**12))

    def regular_expression(self):
        re.match("(a+)+$", "a" * 64 + "b")

    def colliding_keys(self):
        {number * MODULUS: None for number in range(10**6)}

    def colliding_objects(self):
        class Colliding:
            def __hash__(self):
                return 1

        {Colliding() for _ in range(10**6)}

    def colliding_keys_of_the_interpreter(self):
        dict.fromkeys(range(0, 10**5 * MODULUS, MODULUS))

    def trace_that_loops(self):
        def trace(*_):
            while True:
                pass

        sys.settrace(trace)
        len([])
        self.send("traced")

    def finalizer_that_loops(self):
        class Endless:
            def __del__(self):
                while True:
                    pass

        Endless()

    # Memory.

    def comprehension(self):
        [bytes(100_000) for _ in range(10**9)]

    def list_of_a_billion(self):
        [None] * 10**9

    def cycles_without_a_collector(self):
        gc.disable()
        while True:
            cycle = [bytes(100_000)]
            cycle.append(cycle)

    def memory_that_stays(self):
        while True:
            kept.append(bytes(100_000))

    # Output.

    def print_a_hundred_megabytes(self):
        for _ in range(100):
            print("x" * 10**6)

    def print_many_lines(self):
        for number in range(10**6):
            print("line", number)

    def print_lone_surrogates(self):
        print("\ud800")
        logging.getLogger("\ud800").warning("\ud800")

    def log_a_record_that_cannot_be_formatted(self):
        logging.warning("%d", "text")

    def long_exception(self):
        raise ValueError("x" * 10**7)

    def long_chain_of_exceptions(self):
        error = None
        for number in range(3_000):
            later = ValueError(number)
            later.__context__, error = error, later
        raise error

    def deep_group_of_exceptions(self):
        error = ValueError("innermost")
        for _ in range(500):
            error = ExceptionGroup("outer", [error])
        raise error

    def exception_whose_text_loops(self):
        class Endless(Exception):
            def __str__(self):
                while True:
                    pass

        raise Endless

    def exception_with_odd_notes(self):
        error = ValueError("odd")
        error.__notes__ = 5
        raise error

    # Values that the host cannot take.

    def send_a_lone_surrogate(self):
        self.send("\ud800")

    def join_a_lone_surrogate(self):
        async_to_sync(self.channel_layer.group_add)("\ud800", self.channel_name)

    def blame_with_a_lone_surrogate(self):
        raise ClientError(4000, "\ud800")

    def blame_with_an_odd_code(self):
        raise ClientError(10**9, "odd")

    # What belongs to a process.

    def exit(self):
        sys.exit(3)

    def exit_at_once(self):
        os._exit(3)

    def abort(self):
        os.abort()

    def interrupt(self):
        raise KeyboardInterrupt

    def kill(self):
        os.kill(os.getpid(), 9)

    def segmentation_fault(self):
        import faulthandler

        faulthandler._sigsegv()

    def load_a_library(self):
        import ctypes

    def thread(self):
        threading.Thread(target=print).start()

    def wait_for_a_thread(self):
        queue.Queue().get()

    # The instance's own modules.

    def take_builtins_away(self):
        for name in ("len", "isinstance", "hasattr", "print", "list", "dict", "vars", "__import__"):
            setattr(builtins, name, None)
        json.dumps = json.loads = None

    def take_pickle_away(self):
        pickle.Pickler = pickle.Unpickler = pickle.dumps = pickle.loads = None
        sys.modules["pickle"] = None

    def take_modules_away(self):
        sys.modules.clear()

    def replace_the_runtime(self):
        for name in list(sys.modules):
            if name.startswith(("narrowboat_runtime", "channels")):
                sys.modules[name] = None

    def close_the_output(self):
        sys.stdout = sys.stderr = None
        for number in range(3):
            os.close(number)

    def finalizer_that_fails(self):
        class Failing:
            def __del__(self):
                raise ValueError("in a finalizer")

        Failing()

    def collector_that_fails(self):
        gc.callbacks.append(lambda *_: 1 / 0)
        gc.collect()
