using System.Globalization;

namespace DataLayer.Server.Demo;

/// <summary>
/// A stand-in for machines that have neither the package nor data of their own: 70,000 files of 797 bytes, seeded, in
/// the same
/// folders. The bytes mean nothing; sizes and names are those of the real dataset.
/// </summary>
internal static class GeneratedDataset
{
    private const int FileBytes = 797;
    private const int TrainCount = 60_000;
    private const int TestCount = 10_000;

    /// <summary>Writes the files below <paramref name="destination"/>; returns how many.</summary>
    public static int Write(string destination, int seed, CancellationToken cancellationToken)
    {
        Random random = new(seed);
        byte[] file = new byte[FileBytes];
        for (int i = 0; i < TrainCount + TestCount; i++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            random.NextBytes(file);
            string part = i < TrainCount ? "train" : "test";
            string folder = Path.Combine(destination, part, random.Next(10).ToString(CultureInfo.InvariantCulture));
            Directory.CreateDirectory(folder);
            File.WriteAllBytes(Path.Combine(folder, string.Create(CultureInfo.InvariantCulture, $"{i:D5}.pgm")), file);
        }

        return TrainCount + TestCount;
    }
}
