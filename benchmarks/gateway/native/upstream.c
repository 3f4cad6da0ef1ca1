/* mock.c - fast single-threaded (epoll) mock of an OpenAI-compatible upstream.
 * usage: mock PORT        gcc -O2 -o mock mock.c   (-DEMBED: linked into loadgen, option -M)
 * POST (any path): if the body has "stream":true -> SSE, else canned chat.completion JSON.
 * The text  mock:N,GAP_US,FIRST_US,BURST  anywhere in the body (put it in the user message, so
 * that it survives any gateway) sets: N content chunks, gap between them, delay before the first
 * byte, and events per write().  Every content chunk carries "@<15 digits>" = CLOCK_MONOTONIC ns
 * (mod 1e15) at write time so the load generator can compute true per-chunk transit time.
 * GET anything -> {"object":"list","data":[models...]} 200 (also serves as health check).       */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

typedef long long ll;
static ll now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

#define OBUF 65536
typedef struct conn {
    int fd;
    char *r;
    int rl, rc;
    char o[OBUF];
    int ol;
    int wantw;
    int close_after;
    int active; /* streaming, or delayed response */
    int stream;
    ll due;
    int n, i, gap, burst;
    int idx;
} conn;
#define MAXFD 20000
static conn *conns[MAXFD];
static conn *act[MAXFD];
static int nact;
static int ep;
static char full[8192];
static int full_l;
static char models[8192];
static int models_l;
static const char *TXT = "The quick brown fox jumps over the lazy dog while the mock upstream "
                         "pretends to think about tokens. ";

static void act_add(conn *c) {
    if (c->active)
        return;
    c->active = 1;
    c->idx = nact;
    act[nact++] = c;
}
static void act_del(conn *c) {
    if (!c->active)
        return;
    c->active = 0;
    act[c->idx] = act[--nact];
    act[c->idx]->idx = c->idx;
}
static void cclose(conn *c) {
    act_del(c);
    epoll_ctl(ep, EPOLL_CTL_DEL, c->fd, 0);
    close(c->fd);
    conns[c->fd] = 0;
    free(c->r);
    free(c);
}
static void setw(conn *c, int w) {
    if (w == c->wantw)
        return;
    struct epoll_event e = {.events = EPOLLIN | (w ? EPOLLOUT : 0), .data.ptr = c};
    epoll_ctl(ep, EPOLL_CTL_MOD, c->fd, &e);
    c->wantw = w;
}
/* returns -1 if closed */
static int flush(conn *c) {
    if (c->ol) {
        ssize_t k = send(c->fd, c->o, c->ol, MSG_NOSIGNAL);
        if (k < 0) {
            if (errno != EAGAIN) {
                cclose(c);
                return -1;
            }
            k = 0;
        }
        if (k < c->ol && k > 0)
            memmove(c->o, c->o + k, c->ol - k);
        c->ol -= k;
    }
    setw(c, c->ol > 0);
    return 0;
}
static int event(char *p, const char *json, int jl) { /* one http chunk holding one SSE event */
    int k = sprintf(p, "%x\r\ndata: ", jl + 8);
    memcpy(p + k, json, jl);
    k += jl;
    memcpy(p + k, "\n\n\r\n", 4);
    return k + 4;
}
#define HEAD                                                                                       \
    "{\"id\":\"chatcmpl-mock0123456789\",\"object\":\"chat.completion.chunk\",\"created\":"        \
    "1700000000,\"model\":\"mock-model\",\"system_fingerprint\":\"fp_mock\",\"choices\":["
static int
gen(conn *c,
    char *p) { /* next event of stream; i: 0 role, 1..n content, n+1 finish, n+2 usage, n+3 DONE */
    char j[700];
    int l;
    int i = c->i++;
    if (i == 0)
        l = sprintf(j, HEAD "{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},"
                            "\"logprobs\":null,\"finish_reason\":null}]}");
    else if (i <= c->n) { /* hot path: template + 15 digits */
        static char T[700];
        static int tl, at;
        if (!tl) {
            tl = event(T, j,
                       sprintf(j, HEAD "{\"index\":0,\"delta\":{\"content\":\"@000000000000000\"},"
                                       "\"logprobs\":null,\"finish_reason\":null}]}"));
            at = (char *)memchr(T, '@', tl) - T + 1;
        }
        memcpy(p, T, tl);
        ll t = now_ns() % 1000000000000000LL;
        for (int k = 14; k >= 0; k--) {
            p[at + k] = '0' + t % 10;
            t /= 10;
        }
        return tl;
    } else if (i == c->n + 1)
        l = sprintf(j, HEAD
                    "{\"index\":0,\"delta\":{},\"logprobs\":null,\"finish_reason\":\"stop\"}]}");
    else if (i == c->n + 2)
        l = sprintf(
            j,
            HEAD "],\"usage\":{\"prompt_tokens\":25,\"completion_tokens\":%d,\"total_tokens\":%d}}",
            c->n, c->n + 25);
    else {
        l = event(p, "[DONE]", 6);
        memcpy(p + l, "0\r\n\r\n", 5);
        return l + 5;
    }
    return event(p, j, l);
}
static int fin(conn *c);
/* advance an active connection; -1 if closed */
static int step(conn *c, ll t) {
    if (t < c->due || c->ol)
        return 0;
    if (!c->stream) {
        act_del(c);
        memcpy(c->o, full, full_l);
        c->ol = full_l;
        if (flush(c) < 0)
            return -1;
        return fin(c);
    }
    int b = c->burst;
    while (b-- > 0 && c->i <= c->n + 3 && c->ol < OBUF - 2048)
        c->ol += gen(c, c->o + c->ol);
    int done = c->i > c->n + 3;
    if (done)
        act_del(c);
    else if (c->gap && c->i > 1) {
        c->due += c->gap * 1000LL;
    } /* role chunk goes out at once with 1st content due after gap */
    if (flush(c) < 0)
        return -1;
    if (done)
        return fin(c);
    return 0;
}
static int process(conn *c);
static int fin(conn *c) {
    if (c->close_after && !c->ol) {
        cclose(c);
        return -1;
    }
    return process(c);
}

static char *hfind(char *h, int hl, const char *name) {
    int nl = strlen(name);
    char *p = h, *e = h + hl;
    while (p < e) {
        char *n = memchr(p, '\n', e - p);
        if (!n)
            break;
        n++;
        if (e - n > nl && !strncasecmp(n, name, nl)) {
            n += nl;
            while (*n == ' ')
                n++;
            return n;
        }
        p = n;
    }
    return 0;
}
static ll total;
static int process(conn *c) {
    if (c->active || c->rl == 0)
        return 0;
    char *e = memmem(c->r, c->rl, "\r\n\r\n", 4);
    if (!e)
        return 0;
    int hl = e - c->r + 2;
    char *body = e + 4;
    int have = c->rl - (hl + 2);
    int used;
    int bl = 0;
    char *bp = body;
    char *te = hfind(c->r, hl, "transfer-encoding:");
    char *cl = hfind(c->r, hl, "content-length:");
    char *ex = hfind(c->r, hl, "expect:");
    (void)ex;
    char *tmp = 0;
    if (te && !strncasecmp(te, "chunked", 7)) {
        tmp = malloc(have + 1);
        int pos = 0;
        for (;;) {
            char *n = memmem(body + pos, have - pos, "\r\n", 2);
            if (!n) {
                free(tmp);
                return 0;
            }
            int k = strtol(body + pos, 0, 16);
            int s = n - body + 2;
            if (s + k + 2 > have) {
                free(tmp);
                return 0;
            }
            memcpy(tmp + bl, body + s, k);
            bl += k;
            pos = s + k + 2;
            if (k == 0)
                break;
        }
        used = hl + 2 + pos;
        bp = tmp;
    } else {
        bl = cl ? atoi(cl) : 0;
        if (have < bl)
            return 0;
        used = hl + 2 + bl;
    }
    total++;
    char *co = hfind(c->r, hl, "connection:");
    c->close_after = (co && !strncasecmp(co, "close", 5));
    int get = c->r[0] == 'G' || c->r[0] == 'H';
    int n = 200, gap = 0, first = 0, burst = 1, stream = 0;
    if (!get) {
        char *m = memmem(bp, bl, "mock:", 5);
        char t[80];
        if (m) {
            int k = bp + bl - m;
            if (k > 79)
                k = 79;
            memcpy(t, m, k);
            t[k] = 0;
            sscanf(t, "mock:%d,%d,%d,%d", &n, &gap, &first, &burst);
        }
        char *s = memmem(bp, bl, "\"stream\"", 8);
        if (s) {
            s += 8;
            while (s < bp + bl && (*s == ' ' || *s == ':'))
                s++;
            stream = (bp + bl - s >= 4 && !memcmp(s, "true", 4));
        }
    }
    free(tmp);
    if (used < c->rl)
        memmove(c->r, c->r + used, c->rl - used);
    c->rl -= used;
    if (get) {
        memcpy(c->o, models, models_l);
        c->ol = models_l;
        if (flush(c) < 0)
            return -1;
        return fin(c);
    }
    c->n = n;
    c->gap = gap;
    c->burst = burst < 1 ? 1 : burst;
    c->i = 0;
    c->stream = stream;
    c->due = 0;
    if (stream) {
        static const char H[] =
            "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nCache-Control: "
            "no-cache\r\nx-request-id: mock-1\r\nTransfer-Encoding: chunked\r\n\r\n";
        if (first)
            c->due = now_ns() + first * 1000LL;
        else
            c->due = gap ? now_ns() : 0;
        memcpy(c->o, H, sizeof H - 1);
        c->ol = sizeof H - 1;
        act_add(c);
        if (flush(c) < 0)
            return -1;
        return step(c, now_ns());
    }
    if (first) {
        c->due = now_ns() + first * 1000LL;
        act_add(c);
        return 0;
    }
    memcpy(c->o, full, full_l);
    c->ol = full_l;
    if (flush(c) < 0)
        return -1;
    return fin(c);
}
static int ls_fd;
int mock_init(int port) {

    signal(SIGPIPE, SIG_IGN);
    struct rlimit rl = {20000, 20000};
    setrlimit(RLIMIT_NOFILE, &rl);
    char b[4096];
    int bl =
        sprintf(b,
                "{\"id\":\"chatcmpl-mock0123456789\",\"object\":\"chat.completion\",\"created\":"
                "1700000000,\"model\":\"mock-model\",\"choices\":[{\"index\":0,\"message\":{"
                "\"role\":\"assistant\",\"content\":\"%s%s%s\",\"refusal\":null},\"logprobs\":null,"
                "\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":25,\"completion_"
                "tokens\":60,\"total_tokens\":85},\"system_fingerprint\":\"fp_mock\"}",
                TXT, TXT, TXT);
    full_l = sprintf(full,
                     "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nx-request-id: "
                     "mock-1\r\nContent-Length: %d\r\n\r\n%s",
                     bl, b);
    bl = sprintf(b, "{\"object\":\"list\",\"data\":[{\"id\":\"mock-model\",\"object\":\"model\","
                    "\"created\":1700000000,\"owned_by\":\"mock\"}]}");
    models_l = sprintf(
        models, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
        bl, b);
    int ls = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), one = 1;
    setsockopt(ls, SOL_SOCKET, SO_REUSEADDR, &one, 4);
    struct sockaddr_in sa = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (bind(ls, (void *)&sa, sizeof sa) || listen(ls, 4096)) {
        perror("bind");
        return -1;
    }
    ls_fd = ls;
    ep = epoll_create1(0);
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = 0};
    epoll_ctl(ep, EPOLL_CTL_ADD, ls, &e);
    return ep;
}
void mock_poll(int block) { /* one loop turn; block=0 never sleeps */
    int one = 1, ls = ls_fd;
    struct epoll_event ev[512];
    struct timespec ts = {block, 0}, *tp = &ts;
    if (block && nact) {
        ll t = now_ns(), m = 1000000000LL;
        int ready = 0;
        for (int i = 0; i < nact; i++) {
            if (act[i]->ol)
                continue;
            ll d = act[i]->due - t;
            if (d <= 0) {
                ready = 1;
                break;
            }
            if (d < m)
                m = d;
        }
        ts.tv_sec = 0;
        ts.tv_nsec = ready ? 0 : (m >= 1000000000LL ? 999999999 : m);
    }
    int k = epoll_pwait2(ep, ev, 512, tp, 0);
    for (int i = 0; i < k; i++) {
        conn *c = ev[i].data.ptr;
        if (!c) {
            for (;;) {
                int fd = accept4(ls, 0, 0, SOCK_NONBLOCK);
                if (fd < 0)
                    break;
                if (fd >= MAXFD) {
                    close(fd);
                    continue;
                }
                setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, 4);
                conn *n = calloc(1, sizeof *n);
                n->fd = fd;
                n->rc = 8192;
                n->r = malloc(n->rc);
                conns[fd] = n;
                struct epoll_event x = {.events = EPOLLIN, .data.ptr = n};
                epoll_ctl(ep, EPOLL_CTL_ADD, fd, &x);
            }
            continue;
        }
        if (ev[i].events & EPOLLOUT) {
            if (flush(c) < 0)
                continue;
            if (!c->ol && !c->active) {
                if (fin(c) < 0)
                    continue;
            }
        }
        if (ev[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
            if (c->rc - c->rl < 4096) {
                c->rc *= 2;
                c->r = realloc(c->r, c->rc);
            }
            ssize_t g = recv(c->fd, c->r + c->rl, c->rc - c->rl, 0);
            if (g == 0 || (g < 0 && errno != EAGAIN)) {
                cclose(c);
                continue;
            }
            if (g > 0) {
                c->rl += g;
                process(c);
            }
        }
    }
    if (nact) {
        ll t = now_ns();
        for (int i = nact - 1; i >= 0; i--) {
            if (i < nact)
                step(act[i], t);
        }
    }
}
#ifndef EMBED
int main(int a, char **v) {
    if (mock_init(a > 1 ? atoi(v[1]) : 9000) < 0)
        return 1;
    for (;;)
        mock_poll(1);
}
#endif
