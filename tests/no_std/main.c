/* Links the library with nothing but the C library, and calls it. */

#include <stddef.h>
#include <stdio.h>

size_t engine_server_answers_a_poll(void);
size_t socket_server_answers_an_event(void);

/* The precompiled `alloc` names it for unwinding; with panic = "abort" nothing unwinds. */
void rust_eh_personality(void) {}

int main(void) {
    size_t engine = engine_server_answers_a_poll();
    size_t socket = socket_server_answers_an_event();
    printf("engine.io: %zu bytes, socket.io: %zu bytes\n", engine, socket);
    return engine > 0 && socket > 0 ? 0 : 1;
}
