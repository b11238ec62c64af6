using DataLayer.Core.Errors;

namespace DataLayer.Engine.Tiering.Packs;

/// <summary>How small files are packed.</summary>
public sealed record PackOptions
{
    /// <summary>
    /// Larger files keep an object of their own, bytes, 0 to 16 MiB. Default 16 MiB: which files are packed is the
    /// rule's to say, and this is where an object of its own costs next to nothing more.
    /// </summary>
    public long MaxFileBytes { get; init; } = 16 << 20;

    /// <summary>
    /// A pack is closed before it would grow beyond, bytes, 1 MiB to 256 MiB. It is held in memory while it is written.
    /// Default 64 MiB: its requests are then a thousandth of the members'.
    /// </summary>
    public long PackBytes { get; init; } = 64 << 20;

    /// <summary>
    /// From this share of dead bytes on a pack is written anew, 0.05 to 1. Default 0.5: a byte is then copied at most
    /// once for each byte that died.
    /// </summary>
    public double RepackShare { get; init; } = 0.5;

    /// <summary>Checks every value.</summary>
    /// <exception cref="DataLayerException">InvalidArgument, naming every value out of range.</exception>
    public void Validate()
    {
        List<string> errors = [];
        if (MaxFileBytes is < 0 or > 16 << 20)
        {
            errors.Add($"{nameof(MaxFileBytes)} {MaxFileBytes} is not in 0 to {16 << 20}");
        }

        if (PackBytes is < 1 << 20 or > 256 << 20)
        {
            errors.Add($"{nameof(PackBytes)} {PackBytes} is not in {1 << 20} to {256 << 20}");
        }

        if (!(RepackShare is >= 0.05 and <= 1))
        {
            errors.Add($"{nameof(RepackShare)} {RepackShare} is not in 0.05 to 1");
        }

        if (errors.Count > 0)
        {
            throw new DataLayerException(
                ErrorCode.InvalidArgument, $"Bad options of packs: {string.Join("; ", errors)}.");
        }
    }
}
