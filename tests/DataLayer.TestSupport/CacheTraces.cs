using DataLayer.Storage.Cache.Simulation;

namespace DataLayer.TestSupport;

/// <summary>Seeded traces of the shapes that caches meet. Each object has one size; see each method for who asks for what.</summary>
public static class CacheTraces
{
    /// <summary>One job: <paramref name="passes"/> passes, each a new permutation of all objects (or the same, for a loop).</summary>
    public static CacheTrace Passes(int objects, int passes, bool reshuffle, int seed, int datasetId = 1, int sizeBytes = 65_536)
    {
        CacheTrace trace = new();
        AppendPasses(trace, objects, passes, reshuffle, new Random(seed), datasetId, sizeBytes);
        return trace;
    }

    /// <summary>Dataset A, then dataset B, as many passes each.</summary>
    public static CacheTrace Switch(int objects, int passes, int seed, bool tagged = true, int sizeBytes = 65_536)
    {
        CacheTrace trace = new();
        Random random = new(seed);
        AppendPasses(trace, objects, passes, reshuffle: true, random, tagged ? 1 : 0, sizeBytes);
        AppendPasses(trace, objects, passes, reshuffle: true, random, tagged ? 2 : 0, sizeBytes);
        return trace;
    }

    /// <summary>Independent draws, object k with a weight of 1 ÷ k^<paramref name="skew"/>.</summary>
    public static CacheTrace Zipf(int objects, int requests, double skew, int seed, int datasetId = 0, int sizeBytes = 65_536)
    {
        CacheTrace trace = new();
        Random random = new(seed);
        int[] ids = NewObjects(trace, objects, datasetId);
        random.Shuffle(ids);
        ZipfSampler sampler = new(objects, skew);
        for (int i = 0; i < requests; i++)
        {
            trace.Add(ids[sampler.Next(random)], sizeBytes);
        }

        return trace;
    }

    /// <summary>Zipf draws, and every <paramref name="everyRequests"/> of them a run of objects that are asked for once only.</summary>
    public static CacheTrace ScanZipf(
        int objects, int requests, double skew, int everyRequests, int scanLength, int seed, int datasetId = 0, int sizeBytes = 65_536)
    {
        CacheTrace trace = new();
        Random random = new(seed);
        int[] ids = NewObjects(trace, objects, datasetId);
        random.Shuffle(ids);
        ZipfSampler sampler = new(objects, skew);
        for (int i = 0; i < requests; i++)
        {
            trace.Add(ids[sampler.Next(random)], sizeBytes);
            for (int k = 0; i % everyRequests == everyRequests - 1 && k < scanLength; k++)
            {
                trace.Add(trace.AddObject(datasetId), sizeBytes);
            }
        }

        return trace;
    }

    /// <summary>Zipf draws whose ranking moves on: every <paramref name="everyRequests"/> the objects trade places by a tenth.</summary>
    public static CacheTrace DriftingZipf(int objects, int requests, double skew, int everyRequests, int seed, int datasetId = 0)
    {
        CacheTrace trace = new();
        Random random = new(seed);
        int[] ids = NewObjects(trace, objects, datasetId);
        random.Shuffle(ids);
        ZipfSampler sampler = new(objects, skew);
        for (int i = 0; i < requests; i++)
        {
            if (i % everyRequests == everyRequests - 1)
            {
                for (int k = 0; k < objects / 10; k++)
                {
                    int a = random.Next(objects), b = random.Next(objects);
                    (ids[a], ids[b]) = (ids[b], ids[a]);
                }
            }

            trace.Add(ids[sampler.Next(random)], 65_536);
        }

        return trace;
    }

    /// <summary>New objects come all the time and are asked for again a few times soon after: a friend of recency.</summary>
    public static CacheTrace Recent(int requests, int reach, int seed, int datasetId = 0)
    {
        CacheTrace trace = new();
        Random random = new(seed);
        List<int> history = [];
        for (int i = 0; i < requests; i++)
        {
            int id = history.Count > 0 && random.NextDouble() < 0.7
                ? history[Math.Max(0, history.Count - 1 - (int)(-Math.Log(1 - random.NextDouble()) * reach))]
                : trace.AddObject(datasetId);
            history.Add(id);
            trace.Add(id, 65_536);
        }

        return trace;
    }

    /// <summary>
    /// One job's passes over dataset 1, and between them reads of 4 KiB objects of no dataset: after every
    /// <paramref name="everyRequests"/> one of <paramref name="metadata"/> objects by Zipf's law, and after each pass a scan of
    /// <paramref name="scanLength"/> objects that nobody reads again.
    /// </summary>
    public static CacheTrace PassesWithMetadata(int objects, int passes, int metadata, int everyRequests, int scanLength, int seed)
    {
        const int SmallBytes = 4096, LargeBytes = 65_536;
        CacheTrace trace = new();
        Random random = new(seed);
        int[] order = NewObjects(trace, objects, 1), small = NewObjects(trace, metadata, 0);
        ZipfSampler sampler = new(metadata, 1);
        for (int pass = 0; pass < passes; pass++)
        {
            random.Shuffle(order);
            for (int i = 0; i < objects; i++)
            {
                trace.Add(order[i], LargeBytes);
                if (i % everyRequests == 0)
                {
                    trace.Add(small[sampler.Next(random)], SmallBytes);
                }
            }

            for (int k = 0; k < scanLength; k++)
            {
                trace.Add(trace.AddObject(0), LargeBytes);
            }
        }

        return trace;
    }

    private static void AppendPasses(CacheTrace trace, int objects, int passes, bool reshuffle, Random random, int datasetId, int sizeBytes)
    {
        int[] order = NewObjects(trace, objects, datasetId);
        random.Shuffle(order);
        for (int pass = 0; pass < passes; pass++)
        {
            foreach (int id in order)
            {
                trace.Add(id, sizeBytes);
            }

            if (reshuffle)
            {
                random.Shuffle(order);
            }
        }
    }

    private static int[] NewObjects(CacheTrace trace, int count, int datasetId)
    {
        int[] ids = new int[count];
        for (int i = 0; i < count; i++)
        {
            ids[i] = trace.AddObject(datasetId);
        }

        return ids;
    }

    private sealed class ZipfSampler
    {
        private readonly double[] _cumulative;

        public ZipfSampler(int count, double skew)
        {
            _cumulative = new double[count];
            double sum = 0;
            for (int i = 0; i < count; i++)
            {
                sum += Math.Pow(i + 1, -skew);
                _cumulative[i] = sum;
            }
        }

        public int Next(Random random)
        {
            int found = Array.BinarySearch(_cumulative, random.NextDouble() * _cumulative[^1]);
            return Math.Min(found < 0 ? ~found : found, _cumulative.Length - 1);
        }
    }
}
