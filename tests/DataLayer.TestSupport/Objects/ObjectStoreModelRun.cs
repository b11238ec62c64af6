using DataLayer.Core.Errors;
using DataLayer.Core.Objects;

namespace DataLayer.TestSupport.Objects;

/// <summary>
/// Runs a seeded sequence of calls against a store and a plain model of it. One sequence owns its keys, so after each answered call
/// the model is exact; a call that failed with what may pass leaves the key in one of two states, and the next look decides which.
/// Demanded: never wrong bytes, no acknowledged write lost, no failed condition applied.
/// </summary>
public sealed class ObjectStoreModelRun(IObjectStore store, string prefix, int seed, int keyCount = 8, int sizeLimit = 60_000)
{
    private readonly Random _random = new(seed);
    private readonly Dictionary<string, State> _model = new(StringComparer.Ordinal);

    /// <summary>Calls that were answered.</summary>
    public int Answered { get; private set; }

    /// <summary>Calls that failed after all retries.</summary>
    public int Failed { get; private set; }

    /// <summary>Runs that many calls.</summary>
    public async Task RunAsync(int callCount)
    {
        for (int call = 0; call < callCount; call++)
        {
            string key = prefix + "k" + _random.Next(keyCount);
            string what = $"seed {seed}, call {call}, key {key}";
            try
            {
                await StepAsync(key, what);
                Answered++;
            }
            catch (DataLayerException e) when (
                e.Code is ErrorCode.OriginUnavailable or ErrorCode.TimedOut or ErrorCode.Corrupt or ErrorCode.Overloaded)
            {
                Failed++;
            }
        }
    }

    /// <summary>Checks every key against the model, by a store that does not fail.</summary>
    public async Task VerifyAsync(IObjectStore healthy)
    {
        foreach ((string key, State state) in _model)
        {
            byte[]? actual = await TryReadAllAsync(healthy, key);
            Assert.True(state.Allows(actual), $"seed {seed}: {key} holds neither its acknowledged content nor one in doubt");
        }

        List<string> expected = [];
        foreach (string key in _model.Keys.Order(StringComparer.Ordinal))
        {
            if (await healthy.HeadAsync(key, default) is not null)
            {
                expected.Add(key);
            }
        }

        Assert.Equal(expected, await healthy.ListKeysAsync(prefix, 3));
    }

    private async Task StepAsync(string key, string what)
    {
        State state = _model.TryGetValue(key, out State? known) ? known : _model[key] = new State();
        switch (_random.Next(10))
        {
            case < 4:
                await ReadAsync(key, state, what);
                break;
            case < 6:
                await WriteAsync(key, state, default, what);
                break;
            case 6:
                await WriteAsync(key, state, new ObjectWriteCondition(IfAbsent: true), what);
                break;
            case 7 when await store.HeadAsync(key, default) is { } found:
                await WriteAsync(key, state, new ObjectWriteCondition(found.ETag), what);
                break;
            case 8:
                state.Doubt(null);
                Assert.True(await store.DeleteAsync(key, default, default), what);
                state.Settle(null);
                break;
            default:
                List<string> keys = await store.ListKeysAsync(prefix, 1 + _random.Next(10));
                Assert.Equal(keys.Order(StringComparer.Ordinal).Distinct(StringComparer.Ordinal), keys);
                break;
        }
    }

    private async Task ReadAsync(string key, State state, string what)
    {
        int offset = _random.Next(3) == 0 ? _random.Next(sizeLimit) : 0;
        byte[] buffer = new byte[_random.Next(2) == 0 ? sizeLimit : 1 + _random.Next(sizeLimit)];
        try
        {
            ObjectReadResult result = await store.ReadAsync(key, offset, buffer, null, default);
            Assert.True(state.AllowsRange(offset, buffer.AsSpan(0, result.BytesRead), buffer.Length, result.ObjectSizeBytes),
                $"wrong bytes: {what}, offset {offset}, {result}; {Origin(buffer.AsSpan(0, result.BytesRead), offset)}");
        }
        catch (DataLayerException e) when (e.Code == ErrorCode.NotFound)
        {
            Assert.True(state.Allows(null), $"lost: {what}");
        }
    }

    private async Task WriteAsync(string key, State state, ObjectWriteCondition condition, string what)
    {
        byte[] bytes = BytesContent.Random(_random.Next(sizeLimit), _random.Next());
        state.Doubt(bytes);
        try
        {
            ObjectProperties written = await store.PutAsync(key, bytes, condition);
            Assert.True(written.SizeBytes == bytes.Length, what);
            Assert.True(!condition.IfAbsent || state.AllowsNothingBefore(bytes), $"If-absent replaced an object: {what}");
            state.Settle(bytes);
        }
        catch (DataLayerException e) when (e.Code == ErrorCode.Stale)
        {
            state.Withdraw(bytes);
        }
    }

    /// <summary>Where wrong bytes come from: a diagnosis, not a verdict.</summary>
    private string Origin(ReadOnlySpan<byte> actual, int offset)
    {
        foreach ((string key, State state) in _model)
        {
            if (state.History(actual, offset) is { } age)
            {
                return $"they are of {key}, {age} writes ago";
            }
        }

        return "they were never written";
    }

    private async Task<byte[]?> TryReadAllAsync(IObjectStore healthy, string key)
    {
        try
        {
            return await healthy.GetAsync(key, sizeLimit);
        }
        catch (DataLayerException e) when (e.Code == ErrorCode.NotFound)
        {
            return null;
        }
    }

    /// <summary>What a key may hold: what was acknowledged last, or anything that was in doubt since. Null is "no object".</summary>
    private sealed class State
    {
        private readonly List<byte[]?> _possible = [null];

        private readonly List<byte[]> _all = [];

        public void Doubt(byte[]? content)
        {
            _possible.Add(content);
            if (content is not null)
            {
                _all.Add(content);
            }
        }

        public int? History(ReadOnlySpan<byte> actual, int offset)
        {
            for (int i = _all.Count - 1; i >= 0; i--)
            {
                if (_all[i].Length >= offset && _all[i].AsSpan(offset).StartsWith(actual))
                {
                    return _all.Count - 1 - i;
                }
            }

            return null;
        }

        public void Settle(byte[]? content)
        {
            _possible.Clear();
            _possible.Add(content);
        }

        public void Withdraw(byte[] content) => _possible.Remove(content);

        public bool Allows(byte[]? actual) => _possible.Any(one =>
            one is null ? actual is null : actual is not null && one.AsSpan().SequenceEqual(actual));

        public bool AllowsNothingBefore(byte[] written) => _possible.Any(one => one is null || ReferenceEquals(one, written));

        public bool AllowsRange(int offset, ReadOnlySpan<byte> actual, int asked, long size)
        {
            foreach (byte[]? one in _possible)
            {
                if (one is not null && one.Length == size
                    && actual.SequenceEqual(one.AsSpan(Math.Min(offset, one.Length), Math.Clamp(one.Length - offset, 0, asked))))
                {
                    return true;
                }
            }

            return false;
        }
    }
}
