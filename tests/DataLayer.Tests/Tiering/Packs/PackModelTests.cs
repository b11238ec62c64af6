using DataLayer.Core.Errors;
using DataLayer.Core.Tree;
using DataLayer.Engine.Files;
using DataLayer.Metadata;
using Xunit.Abstractions;

namespace DataLayer.Tests.Tiering.Packs;

/// <summary>
/// Random operations over packed files against a plain dictionary of bytes; and the same with the engine stopped dead at each step of
/// packing and of what follows from it.
/// </summary>
public sealed class PackModelTests(ITestOutputHelper output)
{
    public static TheoryData<string> Steps =>
    [
        "pack.begun", "pack.stored", "pack.verified", "pack.indexed", "pack.committed", "delete.done", "upload.noted", "upload.stored",
        "upload.completed", "names.stored", "names.completed", "evict.checked", "evict.committed", "unlink.committed",
    ];

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task Packed_files_are_what_a_dictionary_says(int seed)
    {
        output.WriteLine($"seed {seed}");
        int count = int.TryParse(Environment.GetEnvironmentVariable("DATALAYER_PACK_STEPS"), out int given) ? given : 120;
        await using PackFixture fixture = await PackFixture.OpenAsync();
        Model model = new(fixture, new Random(seed));
        for (int i = 0; i < count; i++)
        {
            await model.StepAsync();
        }

        await model.EndAsync();
    }

    [Theory]
    [MemberData(nameof(Steps))]
    public async Task No_byte_is_lost_by_a_crash_at(string step)
    {
        for (int nth = 1; nth <= 2; nth++)
        {
            int seen = 0;
            bool crashed = false;
            using CancellationTokenSource dead = new();
            await using PackFixture fixture = await PackFixture.OpenAsync();
            Model model = new(fixture, new Random(nth));
            await model.FillAsync();
            await fixture.Engine.JournalDoneAsync();
            fixture.Engine.StepHook = name =>
            {
                if (crashed || (name == step && Interlocked.Increment(ref seen) == nth))
                {
                    crashed = true;
                    dead.Cancel();
                    throw new CrashException($"crash at {step}");
                }
            };
            await fixture.ReopenAsync();
            fixture.Dead = dead.Token;
            try
            {
                await fixture.PackAsync();
                await model.UseAsync();
                await fixture.RepackAsync(0.1);
                await model.UseAsync();
                await fixture.UnpackAsync();
            }
            catch (Exception error) when (error is CrashException or OperationCanceledException)
            {
                output.WriteLine($"{step} {nth}: {error.Message}");
            }

            crashed = true;
            await fixture.Engine.StopAsync();
            fixture.Engine.StepHook = null;
            fixture.Dead = default;
            await fixture.StartAgainAsync();
            await model.EndAsync();
        }
    }

    private sealed class CrashException(string message) : Exception(message);

    private sealed class Model(PackFixture fixture, Random random)
    {
        private readonly Dictionary<string, byte[]> _files = [];

        // Where a change was under way at a crash, both are right: what was, and what should become.
        private readonly Dictionary<string, byte[]?> _maybe = [];

        private FileEngine Engine => fixture.Engine.Engine;

        public async Task FillAsync()
        {
            for (int i = 0; i < 8; i++)
            {
                await WriteAsync($"/data/d{i % 2}/f{i}");
            }

            await Engine.FlushUploadsAsync("/data", fixture.Dead);
        }

        /// <summary>A little of all that happens to packed files.</summary>
        public async Task UseAsync()
        {
            await fixture.CoolAsync();
            List<string> paths = [.. _files.Keys];
            await CheckAsync(paths[0]);
            await WriteAsync(paths[0]);
            await PatchAsync(paths[1]);
            await RemoveAsync(paths[2]);
            await RenameAsync(paths[3], paths[3] + "r");
            await Engine.FlushUploadsAsync("/data", fixture.Dead);
        }

        public async Task StepAsync()
        {
            string path = $"/data/d{random.Next(2)}/f{random.Next(6)}";
            await (random.Next(14) switch
            {
                0 or 1 or 2 => WriteAsync(path),
                3 => PatchAsync(path),
                4 => RemoveAsync(path),
                5 => RenameAsync(path, $"/data/d{random.Next(2)}/f{random.Next(6)}"),
                6 => fixture.CoolAsync(),
                7 or 8 => PackAsync(),
                9 => fixture.RepackAsync(0.05 + (random.NextDouble() * 0.9)),
                10 => fixture.UnpackAsync("/data"),
                11 => EvenOddsAsync(),
                _ => CheckAsync(path),
            });
        }

        public async Task EndAsync()
        {
            foreach ((string path, byte[]? other) in _maybe)
            {
                byte[]? now = await TryReadAsync(path);
                Assert.True(Same(now, _files.GetValueOrDefault(path)) || Same(now, other), $"{path} is neither as before nor as after");
                Set(path, now);
            }

            await fixture.CheckAsync(_files);
            await fixture.CoolAsync();
            await fixture.CheckAsync(_files);
            await Engine.FlushUploadsAsync("/", CancellationToken.None);
            await fixture.Engine.JournalDoneAsync();
            await fixture.Engine.AssertCleanAsync();
            foreach (PackUse use in await fixture.PacksAsync())
            {
                Assert.True(use.LiveCount > 0, "a pack without a file is left");
                Assert.Equal(PackState.Live, use.Pack.State);
            }

            List<string> packs = [.. (await fixture.PacksAsync()).SelectMany(p => new[] { p.Pack.Key, p.Pack.IndexKey })];
            List<string> names = [.. (await fixture.PacksAsync()).Select(p => p.Pack.NamesKey)];
            Assert.Equal(packs.Order(StringComparer.Ordinal), (await fixture.KeysAsync(packs: true)).Except(names));
            await fixture.Engine.AssertCleanAsync();

            // Whoever attaches the bucket anew sees the same, with what was removed and renamed.
            await Engine.DetachAsync("/data", force: false, CancellationToken.None);
            await fixture.Engine.AttachAsync();
            Assert.Equal(_files.Keys.Order(StringComparer.Ordinal), (await fixture.FactsAsync()).Select(f => f.Path).Order(StringComparer.Ordinal));
            await fixture.CheckAsync(_files);

            await fixture.UnpackAsync();
            await fixture.Engine.JournalDoneAsync();
            Assert.Empty(await fixture.KeysAsync(packs: true));
            Assert.Equal(_files.Keys.Select(k => k["/data/".Length..]).Order(StringComparer.Ordinal), await fixture.Engine.ObjectKeysAsync());
            await fixture.CheckAsync(_files);
            foreach ((string path, byte[] bytes) in _files)
            {
                Assert.Equal(bytes, await fixture.Engine.GetObjectAsync(path["/data/".Length..]));
            }

            await fixture.Engine.AssertCleanAsync();
        }

        private static bool Same(byte[]? one, byte[]? other) => one is null ? other is null : other is not null && one.AsSpan().SequenceEqual(other);

        private async Task PackAsync()
        {
            if (random.Next(2) == 0)
            {
                await Engine.FlushUploadsAsync("/data", fixture.Dead);
            }

            await fixture.PackAsync();
        }

        private async Task EvenOddsAsync()
        {
            switch (random.Next(4))
            {
                case 0:
                    await fixture.ReopenAsync();
                    break;
                case 1:
                    await Engine.RefreshAsync("/data", null, CancellationToken.None);
                    break;
                case 2:
                    await Engine.WarmAsync("/data", random.Next(2) == 0, null, CancellationToken.None);
                    break;
                default:
                    await Engine.FlushUploadsAsync("/data", fixture.Dead);
                    break;
            }
        }

        private async Task WriteAsync(string path)
        {
            byte[] bytes = new byte[random.Next(20_000)];
            random.NextBytes(bytes);
            await ChangeAsync(
                [(path, bytes)],
                async () =>
                {
                    await using FileReplacement replacement = await Engine.ReplaceFileAsync(
                        path, new ReplaceOptions { MakeParents = true }, CancellationToken.None);
                    await replacement.WriteAsync(bytes, CancellationToken.None);
                    await replacement.CommitAsync(CancellationToken.None);
                });
        }

        private async Task PatchAsync(string path)
        {
            if (!_files.TryGetValue(path, out byte[]? before))
            {
                return;
            }

            byte[] patch = new byte[random.Next(1, 3000)];
            random.NextBytes(patch);
            int at = random.Next(before.Length + 1);
            byte[] after = [.. before.AsSpan(0, at), .. patch, .. before.AsSpan(Math.Min(before.Length, at + patch.Length))];
            await ChangeAsync(
                [(path, after)],
                async () =>
                {
                    await using OpenFile file = await Engine.OpenFileAsync(path, write: true, CancellationToken.None);
                    await file.WriteAsync(at, patch, CancellationToken.None);
                    await file.FlushAsync(CancellationToken.None);
                });
        }

        private async Task RemoveAsync(string path)
        {
            if (_files.ContainsKey(path))
            {
                await ChangeAsync([(path, null)], () => Engine.RemoveAsync(path, false, null, CancellationToken.None).AsTask());
            }
        }

        private async Task RenameAsync(string from, string to)
        {
            if (_files.TryGetValue(from, out byte[]? bytes) && from != to && await FolderIsAsync(to))
            {
                await ChangeAsync(
                    [(from, null), (to, bytes)], () => Engine.RenameAsync(from, to, RenameFlags.None, CancellationToken.None).AsTask());
            }
        }

        private async Task<bool> FolderIsAsync(string path)
        {
            try
            {
                await Engine.StatAsync(path[..path.LastIndexOf('/')], true, CancellationToken.None);
                return true;
            }
            catch (DataLayerException error) when (error.Code == ErrorCode.NotFound)
            {
                return false;
            }
        }

        private async Task CheckAsync(string path)
        {
            byte[]? now = await TryReadAsync(path);
            Assert.True(Same(now, _files.GetValueOrDefault(path)), $"{path} reads otherwise");
        }

        private async Task<byte[]?> TryReadAsync(string path)
        {
            try
            {
                return await fixture.Engine.ReadAllAsync(path);
            }
            catch (DataLayerException error) when (error.Code == ErrorCode.NotFound)
            {
                return null;
            }
        }

        private async Task ChangeAsync((string Path, byte[]? Bytes)[] changes, Func<Task> change)
        {
            foreach ((string path, byte[]? bytes) in changes)
            {
                _maybe[path] = bytes;
            }

            await change();
            foreach ((string path, byte[]? bytes) in changes)
            {
                Set(path, bytes);
                _maybe.Remove(path);
            }
        }

        private void Set(string path, byte[]? bytes)
        {
            if (bytes is null)
            {
                _files.Remove(path);
            }
            else
            {
                _files[path] = bytes;
            }
        }
    }
}
