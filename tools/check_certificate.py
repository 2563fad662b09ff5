"""Check a certificate of sdprelax without sdprelax: a second verifier, written from docs/mathematics/certificate.md.

    python check_certificate.py CERTIFICATE.npz DATA.npz [--gamma G] [--bias] [--time-limit SECONDS]

DATA holds X (n×d) and Y (n×c, or n), and may hold gamma and bias: ``numpy.savez("data.npz", X=problem.X, Y=problem.Y,
gamma=problem.gamma, bias=problem.bias)``; and what is not least squares with ReLU: loss, a name, with its delta or
level; slopes, of z₊ and (−z)₊; sample_weight; offset, what ½‖t‖² of a constant output costs, 0 or more; and
penalise_bias. Prints the lower bound of p* = inf ℓ(φ(XU)V + 1tᵀ; Y) + (γ/2)(‖U‖² + ‖V‖²) that the certificate proves,
rounded down, and exits with 0; or says in one sentence why it proves none and exits with 1 (2: wrong usage). Of a
relaxation it prints all that is proved; of a cover by cones it proves and prints the claim.

Proofs are in python-flint's ball arithmetic, where NumPy's linear algebra only proposes; but for covers, millions of
small tests in floating point whose rounding is bounded beforehand. The file is not trusted in anything. Limits: files
that unpack to 256 MiB, matrices of order 1,000, covers in six dimensions.
"""

import argparse
import itertools
import sys
import time
import zipfile
from fractions import Fraction
from operator import mul

import numpy as np
from flint import arb, arb_mat, ctx, fmpq

ctx.prec, U = 192, 2.0**-53
STANDARD = ("nonnegative", "complementary", "walls")
UNPACKED, MEMBERS, ORDER, RANK, DEPTH, BATCH = 2**28, 4096, 1000, 6, 128, 1024


def require(condition, why):
    """Refuse unless the condition holds; what is not a number fails every comparison."""
    if not condition:
        raise ValueError(why)


def read(path):
    """Return the arrays of an ``.npz`` file by name."""
    with zipfile.ZipFile(path) as archive:
        listed = archive.infolist()
    names, ways = {one.filename for one in listed}, {one.compress_type for one in listed}
    fits = len(names) == len(listed) <= MEMBERS and sum(one.file_size for one in listed) <= UNPACKED and ways <= {0, 8}
    require(fits, f"{path} is too large, holds a member twice, or is compressed by another method than deflation")
    with np.load(path, allow_pickle=False) as stored:
        return {name: np.asarray(stored[name]) for name in stored.files}


def numbers(arrays, name, shape, kinds="iuf"):
    """Return a member as finite float64, integers as Python's, of a shape in which −1 stands for any size."""
    require(name in arrays, f"there is no {name}")
    array = arrays[name]
    fits = array.ndim == len(shape) and all(want in (-1, size) for want, size in zip(shape, array.shape, strict=True))
    fits = fits and array.dtype.kind in kinds and array.itemsize <= 8 and np.all(np.isfinite(array))
    require(fits, f"{name} is no array of finite numbers of shape {shape} ({array.dtype}, {array.shape})")
    return array.tolist() if kinds == "iu" else np.array(array, dtype=np.float64, order="C")


def exact(array):
    """Return a matrix of floats as balls of radius zero."""
    return arb_mat(*array.shape, array.ravel().tolist())


def floats(matrix):
    """Return the midpoints of a matrix of balls, rounded."""
    return np.array([float(x) for x in matrix.entries()]).reshape(matrix.nrows(), matrix.ncols())


def norm(entries):
    """Return the ball of a Euclidean norm."""
    return sum((x * x for x in entries), arb(0)).sqrt()


def positive_definite(H):
    """Prove that a symmetric matrix is: RᵀHR is diagonally dominant, for R ≈ H^(−½) that floating point proposes."""
    require(H.nrows() <= ORDER, f"a matrix of order {H.nrows()} is beyond the limit, {ORDER}")
    R = exact(np.diag([float(abs(H[i, i]).rsqrt()) for i in range(H.nrows())]))
    for _ in range(8):
        M = R.transpose() * H * R
        if all(2 * row[i] > sum((abs(x) for x in row), arb(0)) for i, row in enumerate(M.tolist())):
            return True
        values, vectors = np.linalg.eigh(np.nan_to_num(floats(M)))
        R = (R * exact(vectors / np.sqrt(np.maximum(values, 2.0**-50 * abs(values).max() + 1e-300)))).mid()
    return False


def combination(normals, target):
    """Return λ ≥ 0 with normalsᵀλ ≈ target (Lawson and Hanson); the proof holds for any λ ≥ 0."""
    weights, active = np.zeros(len(normals)), np.zeros(len(normals), dtype=bool)
    for _ in range(9 * len(normals)):
        trial = np.zeros(len(normals))
        trial[active] = np.linalg.lstsq(normals[active].T, target, rcond=None)[0]
        bad = active & (trial <= 0.0)
        weights += np.min(weights[bad] / (weights[bad] - trial[bad] + 1e-300), initial=1.0) * (trial - weights)
        active &= ~bad | (weights > 1e-14)
        slope = np.where(active, 0.0, normals @ (target - weights @ normals))
        if not bad.any() and slope.max() <= 1e-15:
            break
        active[slope.argmax()] |= not bad.any()
    return np.maximum(weights, 0.0)


def shortfall(rows, normals, a, b):
    """Return ρ with aᵀβ + bᵀw ≥ −ρ‖w‖, β = (−rows·w)₊, wherever normals·w ≥ 0: (t)₊ ≥ θt for every θ in [0, 1]."""
    up, down, worst = a > 0.0, a < 0.0, arb(0)
    count, walls = np.count_nonzero(up), np.pad(normals, ((0, 0), (0, np.count_nonzero(up))))
    parts = np.vstack([np.hstack([rows[up], np.eye(count)]), walls, np.eye(count, len(b) + count, len(b))])
    require(np.count_nonzero(down) <= 4, "one of its forms subtracts more than four activations")
    for sides in itertools.product((0.0, 1.0), repeat=np.count_nonzero(down)):
        share = np.zeros(len(a))
        share[down] = a[down] * sides
        found = combination(parts, np.concatenate([b - share @ rows, a[up]]))
        share[up] = np.minimum(found[:count], a[up])
        rest = exact(b[None]) - exact(share[None]) * exact(rows)
        rest -= exact(found[None, count : count + len(normals)]) * exact(normals)
        worst = worst.max(norm(rest.entries()))
    return worst


def rays_of(path, c):
    """Return the rays of the sector at the end of a path, as columns of integers (docs/mathematics/relaxation.md)."""
    require(len(path) <= c + 60 and all(side in (1, -1) for _, _, side in path), "the path to a sector is none")
    require(
        [step[:2] for step in path[:c]] == [(j, j) for j in range(c)], "the path to a sector lacks signs of outputs"
    )
    rays = [[path[j][2] * (i == j) for i in range(c)] for j in range(c)]
    for a, b, side in path[c:]:
        require(0 <= a < b < c, "a sector is split at an edge that it does not have")
        rays[b if side > 0 else a] = [x + y for x, y in zip(rays[a], rays[b], strict=True)]
    return rays


def least_output(rays, p):
    """Return a lower bound of pᵀv over the unit vectors v of the cone of rays: v = Σλr/‖r‖, Σλ ≥ 1 and ≤ 1/cosine."""
    lengths, c = [norm(map(arb, ray)) for ray in rays], len(rays)
    middle = np.linalg.solve(np.array(rays) / np.array(list(map(float, lengths)))[:, None], np.ones(c))
    middle = list(map(arb, (middle / np.linalg.norm(middle)).tolist()))

    def along(direction):
        found = [sum(map(mul, direction, ray), arb(0)) / length for ray, length in zip(rays, lengths, strict=True)]
        least = found[0]
        for x in found[1:]:
            least = least.min(x)
        return least

    least, cosine, below = along(p), along(middle), -norm(p)
    if least >= 0:
        return least
    return below.max(least * norm(middle) / cosine) if cosine > 0 else below


def vanishing(rows, normals, forms, k):
    """Return bounds of |pᵀz·qᵀz|/‖w‖², z = (β, w), in the plane: forms are linear between the rows' perpendiculars.

    Perpendiculars are exact, and so is the side of every row just after one of them, counter-clockwise. Between two
    less than a right angle apart, unit a and b, w = λa + μb has ‖w‖² ≥ λ² + μ², so that (ℓᵀw)² ≤ ((ℓᵀa)² + (ℓᵀb)²)‖w‖².
    """
    lines = [tuple(map(Fraction, row)) for row in np.vstack([rows, normals]).tolist()]
    bounds, all_bounds = [[arb(0)] * len(forms) for _ in forms], [[arb(0)] * len(forms) for _ in forms]
    inside, rays = False, {(s * -b, s * a) for a, b in lines if a or b for s in (1, -1)}
    for x, y in rays or {(Fraction(1), Fraction(0))}:
        sides, end = [(a * x + b * y) or (b * x - a * y) for a, b in lines], (-x, -y)
        for a, b in rays:
            if x * b > y * a and end[0] * b < end[1] * a:
                end = a, b
        behind = np.array([side < 0 for side in sides[: len(rows)]])
        pieces = (exact(forms[:, k:]) - exact(forms[:, :k] * behind) * exact(rows)).tolist()
        sizes = [norm(piece) for piece in pieces]
        if x * end[0] + y * end[1] > 0:
            ends = [[rational(u) / norm(map(rational, ray)) for u in ray] for ray in ((x, y), end)]
            at_ends = [norm(sum(map(mul, piece, ray), arb(0)) for ray in ends) for piece in pieces]
            sizes = [size.min(other) for size, other in zip(sizes, at_ends, strict=True)]
        here = all(side >= 0 for side in sides[len(rows) :])
        inside |= here
        for found in (bounds, all_bounds) if here else (all_bounds,):
            for p, size in enumerate(sizes):
                found[p] = [most.max(size * other) for most, other in zip(found[p], sizes, strict=True)]
    return bounds if inside else all_bounds


def vanishes(p, q, rows, k):
    """Say whether two forms are, by their numbers, α_i and β_i of a row i, or one of them that of a row of zeros."""

    def activations(form):
        places = np.flatnonzero(form[:k])
        if len(places) != 1 or form[places[0]] != 1.0 or np.any(form[k + rows.shape[1] :]):
            return set()
        i, inputs = places[0], form[k : k + rows.shape[1]]
        found = {(i, side) for side, row in ((-1, 0.0 * rows[i]), (1, rows[i])) if np.array_equal(inputs, row)}
        return found | ({(i, 0)} if np.array_equal(inputs, rows[i]) and not np.any(rows[i]) else set())

    first, second = activations(p), activations(q)
    nothing = any(side == 0 for _, side in first | second)
    return nothing or any((i, -side) in second for i, side in first)


def covered(leaves):
    """Say whether pairs of paths, of rows and of outputs, are the leaves of one binary tree."""
    waiting = [(leaves, (0, 0))]
    while waiting:
        group, at = waiting.pop()
        if len(group) == 1 and at == tuple(map(len, group[0])):
            continue
        # Any step that all leaves below a node have next, of rows or of outputs, divides them.
        following = [{leaf[kind][at[kind] :][:1] and leaf[kind][at[kind]][:-1] for leaf in group} for kind in (0, 1)]
        shared = [kind for kind in (0, 1) if len(following[kind]) == 1 and () not in following[kind]]
        if not shared:
            return False
        kind = shared[0]
        deeper = (at[0] + (kind == 0), at[1] + (kind == 1))
        waiting += [([leaf for leaf in group if leaf[kind][at[kind]][-1] == side], deeper) for side in (1, -1)]
    return True


def relaxation(arrays, rows, B):
    """Return a proved ω with ‖Bᵀ[(X̂w)₊; (−X̂w)₊]‖ ≤ ω‖w‖: that of the worst block (sections 3.5 and 5)."""
    (g, r), c, worst = rows.shape, B.ncols(), arb(0)
    signs = numbers(arrays, "signs", (-1, g), "iu")
    kappa, delta = (numbers(arrays, name, (len(signs),)).tolist() for name in ("kappa", "delta"))
    balance = numbers(arrays, "balance", (len(signs), 2)) if "balance" in arrays else np.zeros((len(signs), 2))
    require(all(x >= 0.0 for x in delta), "δ is negative")
    require(all(abs(sign) <= 1 for block in signs for sign in block), "its signs are not −1, 0 or 1")
    paths, facets, steps = ([[] for _ in signs] for _ in range(3))
    for name, lists in (("paths", paths), ("facets", facets)):
        for owner, row, side in numbers(arrays, name, (-1, 3), "iu"):
            require(0 <= owner < len(signs) and 0 <= row < g and side in (1, -1), f"{name} name what does not exist")
            lists[owner].append((row, side))
    for owner, *step in numbers(arrays, "sectors", (-1, 4), "iu") if "sectors" in arrays else []:
        require(0 <= owner < len(signs), "sectors name what does not exist")
        steps[owner].append(tuple(step))
    # Leaves of one binary tree cover all neurons, whatever the rows.
    leaves = [(tuple(path), tuple(step)) for path, step in zip(paths, steps, strict=True)]
    require(covered(leaves), "its cones do not cover weight space")
    names = arrays.get("inequalities", np.array(STANDARD)).tolist()
    require(tuple(names[:3]) == STANDARD and len(set(names)) == len(names), f"it names the inequalities {names}")
    jumps = [norm(B[j, o] + B[g + j, o] for o in range(c)) for j in range(g)]
    for i, sign in enumerate(np.array(signs).reshape(len(signs), g)):
        require(set(facets[i]) <= set(paths[i]), "the walls of a cone are not on its path")
        normals, walls = (np.array([s * rows[j] for j, s in to]).reshape(len(to), r) for to in (paths[i], facets[i]))
        k, excess = len(free := np.flatnonzero(sign == 0)), arb(0)
        rays = rays_of(steps[i], c) if steps[i] else None
        tail = 0 if rays is None else 1 if c == 1 else c + 1  # of z = (β, w, v, t), of one output (β, w, t)
        require(rays is not None or (kappa[i] >= 0.0 and not np.any(balance[i])), "κ is negative, or a balance stray")
        require(c > 1 or balance[i, 0] == 0.0, "it has κ_v for one output")
        stated = [numbers(arrays, f"forms_{i}_{place}", (-1, k + r + tail)) for place in range(len(names) - 3)]
        more = np.vstack([np.zeros((0, k + r + tail)), *stated])
        N = numbers(arrays, f"multipliers_{i}", (2 * k + len(walls) + len(more),) * 2)
        require(np.array_equal(N, N.T), "its N is not symmetric")
        # All activations (α, β) are E(β, w), and what N weighs, free rows' α and β and the walls, is G(β, w) ≥ 0.
        E = np.zeros((2 * g, k + r))
        E[free, range(k)] = E[free + g, range(k)] = 1.0
        E[:g, k:], E[g:, k:] = rows * (sign >= 0)[:, None], -rows * (sign < 0)[:, None]
        G = np.vstack([E[free], E[free + g], np.hstack([np.zeros((len(walls), k)), walls])])
        G = np.vstack([np.pad(G, ((0, 0), (0, tail))), more])
        # Entries (α_i, β_i) may be negative, and those of rows of zeros; in the plane others, at what they cost.
        below = [pair for pair in np.argwhere(N < 0.0).tolist() if not vanishes(*G[pair], rows[free], k)]
        inner = not any(np.any(G[pair][:, k + r :]) for pair in below)
        require(not below or (r == 2 and inner), "its N has a negative entry where it must be nonnegative")
        D, X = exact(E).transpose() * B, exact(rows[free])
        diagonal = [delta[i]] * k + [kappa[i]] * r + [balance[i, 0]] * (tail - 1) + [balance[i, 1]] * bool(tail)
        H = exact(np.diag(diagonal)) - exact(G.T) * exact(N) * exact(G)
        if rays is None:
            H -= D * D.transpose()
        else:
            # ½(Dvᵀ + vDᵀ), with v = ±t of one output.
            V = np.eye(c, tail) if c > 1 else np.array([[float(rays[0][0])]])
            half = exact(np.eye(k + r + tail, k + r)) * D * exact(np.pad(0.5 * V, ((0, 0), (k + r, 0))))
            H -= half + half.transpose()
        require(positive_definite(H), "a slack matrix is not proved positive semidefinite")
        gram = X.transpose() * X
        largest = np.linalg.eigvalsh(floats(gram)).max(initial=0.0) * (1.0 + 2.0**-40)
        largest = arb(largest) if positive_definite(exact(largest * np.eye(r)) - gram) else gram.trace()
        # Products of forms that are at least −ρ‖w‖ and at most σ‖w‖ in size are at least −(ρ_pσ_q + ρ_qσ_p)‖w‖².
        lengths = [norm(x) for x in X.tolist()]
        sizes = [
            sum(map(mul, map(abs, form[:k]), lengths), norm(form[k : k + r])) + sum(map(abs, form[k + r :]), arb(0))
            for form in exact(G).tolist()
        ]
        if len(more):
            low = [shortfall(rows[free], normals, form[:k], form[k : k + r]) for form in more]
            if tail:
                outputs = exact(more[:, k + r :]).tolist()
                least = [least_output(rays, form[:-1]) if c > 1 else arb(0) for form in outputs]
                low = [(x - y - form[-1]).max(arb(0)) for x, y, form in zip(low, least, outputs, strict=True)]
            holds = all(x <= 1e-9 * y for x, y in zip(low, sizes[-len(more) :], strict=True))
            require(holds, "an inequality of it does not hold for every neuron")
            partners = (exact(np.maximum(N[-len(more) :], 0.0)) * arb_mat(len(N), 1, sizes)).entries()
            excess = 2 * sum(map(mul, low, partners), arb(0))
        if below:
            apart = vanishing(rows[free], normals, G[:, : k + r], k)
            small = all(p == q or apart[p][q] <= 1e-9 * sizes[p] * sizes[q] for p, q in below)
            require(small, "its N has a negative entry where it must be nonnegative")
            excess += sum((abs(arb(N[p, q])) * apart[p][q] for p, q in below), arb(0))
        bound = arb(kappa[i]) + sum(map(arb, balance[i].tolist()), arb(0)) + arb(delta[i]) * largest + excess
        bound = bound.max(arb(0)) if tail else bound.sqrt()
        # A row j that is said to have one sign, ±x̂_j = Σλσx̂ + ρ, is at most ‖ρ‖‖w‖ on the other side.
        for j in np.flatnonzero(sign):
            bound += jumps[j] * shortfall(rows[:0], normals, np.zeros(0), rows[j] * sign[j])
        worst = worst.max(bound)
    return worst


def cover(rows, B, kappa, deadline):
    """Prove f(w) = ‖Σ_j b_j(x̂_jᵀw)₊ + b_{j+g}(−x̂_jᵀw)₊‖ ≤ κ‖w‖ for every w, by simplicial cones.

    With c_j = b_j + b_{j+g}, f(w) = ‖L₀w + Σ c_j(x̂_jᵀw)₊‖, of which W = Σ(‖b_j‖ + 2‖b_{j+g}‖)‖x̂_j‖ is a Lipschitz
    constant and more. Rays are unit vectors of one orthant up to 2⁻⁴⁵, so w = Σs_kr_k has Σs ≤ 1.01√r‖w‖. Per unit of
    Σs rounding costs at most W times: γ_r + 2⁻⁴⁹ for inner products (tiny ones are set to 0), γ_{g+r+2} for values at
    rays, 2⁻⁵¹ for L₀ and c_j. A new ray misses the edge that it splits by at most 6u, so at depth D some w' of a leaf
    is within 7Du√r‖w‖ of w. What is left of κ after both is what every cone is to be proved below.
    """
    (g, r), (up, below) = rows.shape, np.split(floats(B), 2)
    lengths, b = np.linalg.norm(rows, axis=1), [norm(row) for row in B.tolist()]
    if sum((b[j].max(b[g + j]) * norm(row) for j, row in enumerate(exact(rows).tolist())), arb(0)) <= kappa:
        return
    require(r <= RANK, f"a cover in {r} dimensions is beyond the limit, {RANK}")
    jump = floats(exact(np.hstack([np.eye(g), np.eye(g)])) * B)
    base = floats(B.transpose() * exact(np.vstack([0.0 * rows, -rows])))
    W = 1.01 * float((np.linalg.norm(up, axis=1) + 2.0 * np.linalg.norm(below, axis=1)) @ lengths)
    drift = 8 * DEPTH * U * np.sqrt(r)
    least = kappa * (1 - 3 * drift) - 1.02 * W * (drift + 1.05 * np.sqrt(r) * (2.0**-48 + (2 * g + 4 * r + 32) * U))
    norms = np.linalg.norm(jump, axis=1)
    sizes = (kappa, least, W, lengths.max(), *norms[norms > 0.0])
    require(all(1e-100 < size < 1e100 for size in sizes), "its numbers are beyond what a cover is proved with")
    first, second = np.triu_indices(r, 1)
    waiting = [(0, np.array([np.diag(1.0 - 2.0 * (k >> np.arange(r) & 1)) for k in range(2**r)]))]
    while waiting:
        require(time.monotonic() < deadline, "its cover takes longer than the time limit (--time-limit)")
        depth, rays = waiting.pop()
        y = rays @ rows.T  # (cones, rays, rows); F are values at the rays, (cones, rays, outputs)
        y[np.abs(y) < 2.0**-49 * lengths] = 0.0
        F = rays @ base.T + np.maximum(y, 0.0) @ jump
        require(np.all(np.sum(F * F, axis=2) <= least * least), "its oracle is larger in some direction")
        high, low = np.maximum(y, 0.0), np.maximum(-y, 0.0)
        top, bottom = high.max(axis=1, keepdims=True), low.max(axis=1, keepdims=True)
        share = bottom / np.maximum(top + bottom, 1e-300)
        ell = (high * share + low * (1.0 - share)) * (1 + 2.0**-48)
        against = np.maximum(-(F @ jump.T), 0.0)
        H = against @ ell.swapaxes(1, 2)
        h = np.maximum(ell @ np.maximum(jump, 0.0), ell @ np.maximum(-jump, 0.0))
        size = np.sqrt(np.sum(F * F, axis=2).max(axis=1)) + (ell @ norms).max(axis=1)
        error = 4 * (g + r + jump.shape[1] + 16) * U * (kappa * kappa + size * size)
        Q = least * least * (rays @ rays.swapaxes(1, 2)) - F @ F.swapaxes(1, 2) - h @ h.swapaxes(1, 2)
        Q -= H + H.swapaxes(1, 2) + error[:, None, None]
        left = ~(semidefinite(np.where(np.eye(r) > 0.0, Q, np.minimum(Q, 0.0))) | semidefinite(Q))
        if not left.any():
            continue
        rays, y, Q, against, h = (a[left] for a in (rays, y, Q, against, h))
        require(r > 1 and depth < DEPTH, "its cover does not end")
        # Split the edge on which rows that cross it cost most, at the worst of them; if none matters, that of least Q.
        cost = against.max(axis=1) + 0.5 * np.minimum(h.max(axis=(1, 2)), kappa)[:, None] * norms
        a, b = y[:, first], y[:, second]
        place = np.abs(a) / np.maximum(np.abs(a) + np.abs(b), 1e-300)
        weight = np.where(a * b < 0.0, cost[:, None] * np.abs(b) * place, 0.0)
        dips, cones = weight.sum(axis=2), np.arange(len(rays))
        matters = dips.max(axis=1) > 1e-13 * kappa * kappa
        edge = np.where(matters, dips.argmax(axis=1), Q[:, first, second].argmin(axis=1))
        part = np.where(matters, place[cones, edge, weight[cones, edge].argmax(axis=1)], 0.5)[:, None]
        new = (1.0 - part) * rays[cones, first[edge]] + part * rays[cones, second[edge]]
        new /= np.linalg.norm(new, axis=1)[:, None]
        children = np.concatenate([rays, rays])
        children[cones, first[edge]] = children[cones + len(rays), second[edge]] = new
        waiting += [(depth + 1, some) for some in np.array_split(children, len(children) // BATCH + 1)]


def semidefinite(Q):
    """Say of matrices (m, r, r) whether floating-point Cholesky proves them positive semidefinite (Rump 2006)."""
    L, good = np.zeros_like(Q), np.ones(len(Q), dtype=bool)
    shift = 8 * (Q.shape[1] + 4) * U * np.abs(np.trace(Q, axis1=1, axis2=2))
    for k in range(Q.shape[1]):
        pivot = Q[:, k, k] - shift - np.sum(L[:, k, :k] ** 2, axis=1)
        good &= pivot > 0.0
        L[:, k, k], under = np.sqrt(np.where(good, pivot, 1.0)), slice(k + 1, None)
        L[:, under, k] = (Q[:, under, k] - np.einsum("mij,mj->mi", L[:, under, :k], L[:, k, :k])) / L[:, k, k, None]
    return good


def entropy(q, w):
    """Return −q·log(q/w), 0 at 0."""
    return q if q.is_zero() else -q * (q / w).log()


# Of every loss its degree, what its targets are, and of an entry (a, y) of weight w and parameter p what must not be
# negative in the domain of the dual value, and the dual value w·D(a/w).
LOSSES = {
    "squared": (2, "numbers", lambda a, y, w, p: ((), a * y - a * a / (2 * w))),
    "absolute": (1, "numbers", lambda a, y, w, p: ((w - a, w + a), a * y)),
    "quantile": (1, "numbers", lambda a, y, w, p: ((w * p - a, w * (1 - p) + a), a * y)),
    "huber": (0, "numbers", lambda a, y, w, p: ((w * p - a, w * p + a), a * y - a * a / (2 * w))),
    "hinge": (0, "signs", lambda a, y, w, p: ((a * y, w - a * y), a * y)),
    "squared_hinge": (0, "signs", lambda a, y, w, p: ((a * y,), a * y - a * a / (2 * w))),
    "logistic": (0, "signs", lambda a, y, w, p: ((a * y, w - a * y), entropy(a * y, w) + entropy(w - a * y, w))),
    "poisson": (0, "counts", lambda a, y, w, p: ((w * y - a,), w * y - a + entropy(w * y - a, w))),
    "cross_entropy": (0, "simplex", lambda a, y, w, p: ((w * y - a,), entropy(w * y - a, w))),
}


def rational(x):
    """Return a fraction as a ball."""
    return arb(fmpq(x.numerator, x.denominator))


class DualPoint:
    """The points τA of a loss's dual, A of fractions; its worth, D(τA) − τ²‖1ᵀA‖²/(2δ), is concave in τ ≥ 0."""

    def __init__(self, A, Y, weights, loss, parameter, decay):
        """Take the problem's numbers as they are: A by rows, and balls for the rest."""
        self.A, self.formula, self.simplex = A, LOSSES[loss][2], loss == "cross_entropy"
        self.Y, self.weights, self.parameter, self.decay = Y, weights, parameter, decay
        self.balls = [[rational(a) for a in row] for row in A]
        # Σ s·log s of rows that add up to s = 1 but for rounding.
        self.whole = -sum((entropy(sum(y), arb(1)) * w for y, w in zip(Y, weights, strict=True)), arb(0))
        sums = [rational(sum(column)) for column in zip(*A, strict=True)]
        self.tilt = sum((x * x for x in sums), arb(0)) / (2 * decay) if decay else arb(0)

    def entries(self, step):
        """Yield what must not be negative, and the worth, of every entry of τA."""
        for row, targets, w in zip(self.balls, self.Y, self.weights, strict=True):
            for a, y in zip(row, targets, strict=True):
                yield self.formula(step * a, y, w, self.parameter)

    def worth(self, step):
        """Return a lower bound of the worth of τA; −∞ where τA is not proved to be in the domain."""
        total = (self.whole if self.simplex else arb(0)) - step * step * self.tilt
        for slack, value in self.entries(step):
            if not all(x >= 0 for x in slack):
                return arb.neg_inf()
            total += value
        return total.lower() if total.is_finite() else arb.neg_inf()

    def best(self, most):
        """Return a step τ ≤ most at which the worth is largest, by golden section; a proposal."""
        for (here, _), (there, _) in zip(self.entries(arb(0)), self.entries(arb(1)), strict=True):
            for x, y in zip(here, there, strict=True):
                end = (x / (x - y)).lower() if y < x else arb.pos_inf()
                most = end * (1 - arb(2) ** -50) if end < most else most
        size = max((abs(a) for row in self.A for a in row), default=0)
        if not (size and most > 0):
            return arb(0)
        far = (1 / rational(size)).mid()
        while far < most and self.worth(2 * far) > self.worth(far):
            far *= 2
        far = (2 * far).min(most).lower()
        low, high, share = arb(0), far, (arb(5).sqrt() - 1) / 2
        left, right = ((1 - share) * far).mid(), (share * far).mid()
        here, there = self.worth(left), self.worth(right)
        for _ in range(60):
            if here > there:
                high, right, there = right, left, here
                left = (high - share * (high - low)).mid()
                here = self.worth(left)
            else:
                low, left, here = left, right, there
                right = (low + share * (high - low)).mid()
                there = self.worth(right)
        return max((arb(0), low, far), key=lambda step: (float(self.worth(step)), float(step)))

    def least(self, claimed):
        """Return a step, hardly above the least, at which the worth is proved to be the claim; None without one."""
        low, high = arb(0), self.best(arb.pos_inf())
        if not self.worth(high) >= claimed:
            return None
        for _ in range(60):
            middle = ((low + high) / 2).mid()
            low, high = (low, middle) if self.worth(middle) >= claimed else (middle, high)
        return high

    def balanced(self, step, columns):
        """Return A for which the dual's equations hold: rows of cross-entropy add up to 0, with ``columns`` columns do.

        What is missing is added to the entry that is then farthest from the ends of the domain at τ = step.
        """
        A, c = [list(row) for row in self.A], len(self.A[0])
        used = [any(y[k] > 0 for y in self.Y) for k in range(c)]  # of a class without samples a column stays 0

        def room(i, k, missing):
            slack, _ = self.formula(step * rational(A[i][k] + missing), self.Y[i][k], self.weights[i], self.parameter)
            return min((float(x) for x in slack), default=1.0)

        if self.simplex:
            for i, row in enumerate(A):
                missing = -sum(row)
                free = [k for k in range(c) if used[k] or not columns]
                if missing:
                    A[i][max(free, key=lambda k, i=i, missing=missing: room(i, k, missing))] += missing
        if columns:
            missing = [-sum(column) for column in zip(*A, strict=True)]
            open_ = [k for k in range(c) if missing[k]]
            rows = range(len(A))
            whole = max(rows, key=lambda i: min((room(i, k, missing[k]) for k in open_), default=0.0))
            for k in open_:
                A[whole if self.simplex else max(rows, key=lambda i, k=k: room(i, k, missing[k]))][k] += missing[k]
        return A


class Quadratic:
    """The worth of a dual point of the squared loss, τ⟨A, Y⟩ − ½τ²(Σ‖a_i‖²/w_i + ‖1ᵀA‖²/δ), in closed form."""

    def __init__(self, point):
        """Take the two numbers from a point's entries."""
        self.inner, self.square = arb(0), 2 * point.tilt
        for row, targets, w in zip(point.balls, point.Y, point.weights, strict=True):
            self.inner += sum((a * y for a, y in zip(row, targets, strict=True)), arb(0))
            self.square += sum((a * a for a in row), arb(0)) / w

    def worth(self, step):
        """Return a lower bound of the worth of τA."""
        return (step * self.inner - step * step * self.square / 2).lower()

    def best(self, most):
        """Return the step at which the worth is largest."""
        if not (self.inner > 0 and self.square > 0):
            return arb(0)
        step = (self.inner / self.square).mid()
        return step if step <= most else most

    def least(self, claimed):
        """Return the least step at which the worth is the claim; None if there is none."""
        room = self.inner * self.inner - 2 * self.square * claimed
        return 2 * claimed / (self.inner + room.sqrt()) if self.inner > 0 and room >= 0 else None


def described(data, c, n):
    """Return a loss's name, degree and parameter, the slopes, weights, and δ, which is None without an offset."""
    loss = str(data.get("loss", "squared"))
    require(loss in LOSSES, f"there is no loss {loss!r}")
    names = {"huber": "delta", "quantile": "level"}
    parameter = numbers(data, names[loss], ()).item() if loss in names else 1.0
    require(parameter > 0.0 and (loss != "quantile" or parameter < 1.0), f"{loss} has no parameter {parameter}")
    slopes = numbers(data, "slopes", (2,)).tolist() if "slopes" in data else [1.0, 0.0]
    require(any(slopes), "both slopes are 0")
    weights = numbers(data, "sample_weight", (n,)) if "sample_weight" in data else np.ones(n)
    decay = numbers(data, "offset", ()).item() if "offset" in data else None
    require(np.all(weights > 0.0) and (decay is None or decay >= 0.0), "a weight is not positive, or the offset's is")
    Y, kind = data["Y"], LOSSES[loss][1]
    fits = {
        "numbers": True, "signs": np.all(np.abs(Y) == 1.0), "counts": np.all(Y >= 0.0),
        "simplex": c > 1 and np.all(Y >= 0.0) and np.all(np.abs(np.sum(Y, axis=1) - 1.0) < 1e-5),
    }  # fmt: skip
    require(fits[kind], f"Y is no target of the loss {loss}")
    return loss, LOSSES[loss][0], arb(parameter), slopes, weights.tolist(), decay


def check(certificate, data, gamma, bias, deadline):
    """Return the lower bound of p*, rounded down, that a certificate's arrays prove for the data's."""
    one, tiny = np.float64(1.0), np.float64(2.0**-1022)
    nearest = one + U == one and -one - U == -one and one + 1.5 * U > one and tiny * 0.5 > 0.0
    require(nearest, "this process does not round to nearest or loses subnormal numbers")
    if "Y" in data and data["Y"].ndim == 1:
        data = data | {"Y": data["Y"][:, None]}
    X, Y = (numbers(data, name, (-1, -1)) for name in "XY")
    require(np.array_equal(X, data["X"]) and np.array_equal(Y, data["Y"]), "the data are no double precision numbers")
    require(0 < len(X) == len(Y) and X.size and Y.size and 0.0 < gamma < np.inf, "the data are no training problem")
    loss, degree, parameter, slopes, weights, decay = described(data, Y.shape[1], len(Y))
    # Hidden biases that cost nothing: a column B in place of the ones, and ω times √(1 + R²/B²), R the longest row.
    free, freedom = bias and not bool(data.get("penalise_bias", True)), arb(1)
    column = numbers(certificate, "column", ()).item() if free and "column" in certificate else 1.0
    require(column > 0.0, "its column is not positive")
    if free:
        longest = arb(0)
        for row in exact(X).tolist():
            longest = longest.max(norm(row))
        freedom = (1 + (longest / column) ** 2).sqrt()
    X = np.hstack([X, np.full((len(X), 1), column)]) if bias else X
    columns = free or decay == 0.0
    s, t = numbers(certificate, "units", (2,)).tolist()  # all that it holds is in the units X/s, Y/t, γ/(st^(k−1))
    require(np.frexp(s)[0] == np.frexp(t)[0] == 0.5, "its units are no powers of two")
    require(t == 1.0 or degree > 0, f"the loss {loss} has no other unit of targets than 1")
    A, rows = numbers(certificate, "multiplier", Y.shape), numbers(certificate, "rows", (-1, -1))
    (n, d), (g, r), c = X.shape, rows.shape, Y.shape[1]
    basis, factor = numbers(certificate, "basis", (d, r)), numbers(certificate, "factor", (n,)).tolist()
    group, lower = numbers(certificate, "group", (n,), "iu"), numbers(certificate, "lower", ()).item()
    require(lower >= 0.0 or not degree, "it claims a negative bound, and p* is not negative")
    # B = LᵀA, and how far samples are from what the presolve says of them, x_i ≈ f_iQx̂_g ("Presolve" in problem.md).
    B, slip, said = [[arb(0)] * c for _ in range(2 * g)], arb(0), (exact(rows) * exact(basis).transpose()).tolist()
    inputs = (exact(X) * (1 / arb(s))).tolist()
    for f, j, a, x in zip(factor, group, exact(A).tolist(), inputs, strict=True):
        if f != 0.0:
            require(0 <= j < g, "its presolve names generators that do not exist")
            x = [exactly - f * y for exactly, y in zip(x, said[j], strict=True)]
            for place, slope in zip((j + g * (f < 0.0), j + g * (f > 0.0)), slopes, strict=True):
                B[place] = [b + abs(f) * slope * y for b, y in zip(B[place], a, strict=True)]
        slip += norm(a) * norm(x)
    B, steepest = arb_mat(2 * g, c, [b for row in B for b in row]), max(map(abs, slopes))
    stretch = (1 + norm((exact(basis).transpose() * exact(basis) - exact(np.eye(r))).entries())).sqrt()
    gamma = arb(gamma) / s / (arb(t) ** (degree - 1) if degree else 1)
    kind, claimed = str(certificate.get("kind")), (arb(lower) + abs(arb(lower)) * 2.0**-49) / arb(t) ** degree
    omega = arb.pos_inf() if g else arb(0)
    if kind == "relaxation":
        omega = relaxation(certificate, rows, B)
    # The dual value of A ("Losses" in problem.md), of what is nearest to it where it has equations.
    penalty = arb(decay) * arb(t) ** (2 - degree if degree else 0) if decay and not columns else None
    measures = (exact(Y / 1.0).tolist(), list(map(arb, weights)), loss, parameter, penalty)
    measures = ([[y / arb(t) for y in row] for row in measures[0]], *measures[1:])
    point = DualPoint([list(map(Fraction, row)) for row in A.tolist()], *measures)
    slip *= steepest
    if columns or loss == "cross_entropy":
        within = omega * stretch + slip
        wanted = point.best((gamma / within).lower() if within.is_finite() and within > 0 else arb.pos_inf())
        moved = point.balanced(wanted, columns)
        for before, after, x in zip(point.A, moved, inputs, strict=True):
            slip += steepest * norm(rational(p - q) for p, q in zip(before, after, strict=True)) * norm(x)
        point = DualPoint(moved, *measures)
    quadratic = Quadratic(point) if loss == "squared" else point
    if kind == "cones" and g > 0 and not quadratic.worth(arb(0)) >= claimed:
        # What the oracle may be: γ over the least step τ at which τA is worth the claim.
        step = quadratic.least(claimed)
        require(step is not None, "it claims more than its dual point can be worth")
        omega = ((gamma / step / freedom - slip) / stretch).lower()  # as a float it might lose more than the margin
        cover(rows, B, float(np.nextafter(float(omega), -np.inf)), deadline)
    omega = (omega * stretch + slip) * freedom
    # The best worth of τA over τω ≤ γ ("The dual bound" in problem.md); any such τ is valid.
    bound = quadratic.worth(arb(0))
    if omega.is_finite():
        most = arb((gamma / omega).lower()) if omega > 0 else arb.pos_inf()
        bound = bound.max(quadratic.worth(quadratic.best(most)))
    bound *= arb(t) ** degree
    proved = 0.0 if bound.is_zero() else float(np.nextafter(float(bound.lower()), -np.inf))
    proved = max(0.0, proved) if degree else proved
    require(proved >= lower, f"it claims the lower bound {lower!r} and proves {proved!r}")
    return proved


def main():
    """Read the command line and both files; print the bound, or why there is none."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("certificate", metavar="CERTIFICATE")
    parser.add_argument("data", metavar="DATA", help="an .npz file with X and Y; gamma and bias in it or as below")
    parser.add_argument("--gamma", type=float, help="weight decay")
    parser.add_argument("--bias", action="store_true", help="append a column of ones to X")
    parser.add_argument("--time-limit", type=float, default=600.0, metavar="SECONDS", help="of a cover by cones")
    given, _ = parser.parse_args(), np.seterr(all="ignore")  # what overflows in a proposal proves nothing
    try:
        data, deadline = read(given.data), time.monotonic() + given.time_limit
        gamma = numbers(data, "gamma", ()).item() if "gamma" in data else given.gamma
        bias = bool(data.get("bias", given.bias))
        if gamma is None or given.gamma not in (None, gamma) or given.bias > bias:
            parser.error("γ must be given, and the options must not contradict gamma and bias in DATA")
        print(repr(check(read(given.certificate), data, gamma, bias, deadline)))
    except OSError as error:
        parser.error(str(error))
    except Exception as error:  # a damaged file fails in zlib, zipfile or NumPy, each with errors of its own
        sys.exit(f"not proved: {' '.join(str(error).split())}.")


if __name__ == "__main__":
    main()
